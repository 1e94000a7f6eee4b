"""The language gap: against independent implementations, its properties, and its coverage in simulated audits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from evalkit.stats.covariates import regress
from evalkit.stats.language_gap import gap, share_lost, within_a_third


def rng():
    return np.random.default_rng(0)


def test_it_is_scipys_paired_t_on_prompt_means_whatever_the_number_of_images():
    draw = np.random.default_rng(1)
    prompts = np.repeat(np.arange(20), 3)
    differences = draw.normal(-2, 3, 60)
    found = gap(differences, prompts, rng=rng())
    means = differences.reshape(20, 3).mean(axis=1)
    reference = stats.ttest_1samp(means, 0)
    interval = reference.confidence_interval(0.95)
    assert found.estimate.value == pytest.approx(means.mean())
    assert (found.estimate.low, found.estimate.high) == pytest.approx((interval.low, interval.high))
    assert found.test.p == pytest.approx(reference.pvalue) and (found.estimate.n, found.estimate.prompts) == (60, 20)


def test_under_eight_prompts_a_value_and_no_interval_and_from_a_hundred_a_bootstrap():
    few, many = gap(np.arange(7.0), np.arange(7), rng=rng()), gap(np.arange(100.0), np.arange(100), rng=rng())
    assert few.estimate.value == 3 and few.estimate.low is None and "under 8 prompts" in few.estimate.note
    assert many.estimate.method == "paired bootstrap by prompt" and many.estimate.low < 49.5 < many.estimate.high


@given(st.lists(st.floats(-50, 50), min_size=8, max_size=40))
def test_swapping_languages_turns_the_sign_and_duplicates_change_nothing(values):
    prompts = np.arange(len(values))
    one, other = gap(values, prompts, rng=rng()), gap([-value for value in values], prompts, rng=rng())
    twice = gap([*values, *values], [*prompts, *prompts], rng=rng())
    assert one.estimate.value == pytest.approx(-other.estimate.value)
    if one.estimate.low is not None and other.estimate.high is not None:
        assert one.estimate.low == pytest.approx(-other.estimate.high, abs=1e-9)
        assert twice.estimate.low == pytest.approx(one.estimate.low, abs=1e-9)


def test_a_missing_score_is_refused_never_dropped():
    with pytest.raises(ValueError, match="missing"):
        gap([1.0, np.nan], [1, 2], rng=rng())


def test_a_control_is_equivalent_within_a_third_of_the_smallest_gap_and_a_planted_shift_is_not():
    draw = np.random.default_rng(2)
    prompts = np.arange(48)
    gaps = [gap(draw.normal(size, 3, 48), prompts, rng=rng()) for size in (-9, -15)]
    fine = within_a_third(gap(draw.normal(0, 3, 48), prompts, rng=rng()), gaps)
    shifted = within_a_third(gap(draw.normal(-4, 3, 48), prompts, rng=rng()), gaps)
    assert fine.equivalent and fine.margin == pytest.approx(abs(gaps[0].estimate.value) / 3)
    assert shifted.equivalent is False
    assert within_a_third(gaps[0], []) is None


def test_share_lost_is_a_ratio_with_its_delta_interval():
    draw = np.random.default_rng(3)
    base, chance = draw.normal(80, 4, 50), draw.normal(30, 4, 50)
    other = base - 0.6 * (base - chance) + draw.normal(0, 5, 50)
    found = share_lost(base, other, chance, np.arange(50))
    drawn = draw.integers(0, 50, (4000, 50))
    ratios = (base - other)[drawn].mean(axis=1) / (base - chance)[drawn].mean(axis=1)
    assert found.value == pytest.approx((base - other).mean() / (base - chance).mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(ratios, [0.025, 0.975])), abs=0.01)
    assert share_lost(chance, other, chance, np.arange(50)).value is None, "nothing above chance, nothing to lose"


def test_the_regression_is_statsmodels_least_squares_and_says_when_it_cannot():
    draw = np.random.default_rng(4)
    x, prompts, langs = draw.normal(1, 1, (240, 2)), np.repeat(np.arange(24), 10), np.tile(np.arange(10), 24)
    y = -2 - 3 * x[:, 0] + draw.normal(0, 1, 240)
    found = regress(y, x, prompts, langs)
    reference = OLS(y, np.column_stack([np.ones(240), x])).fit()
    assert [found.intercept.value, *(s.value for s in found.slopes)] == pytest.approx(list(reference.params))
    assert found.r_squared == pytest.approx(reference.rsquared)
    assert found.slopes[0].high < -2 and found.slopes[1].low < 0 < found.slopes[1].high
    flat = regress(y, np.ones((240, 1)), prompts, langs)
    assert flat.intercept.value is None and "does not vary" in flat.intercept.note
    assert regress(y, x, prompts, langs % 2).slopes[0].low is None, "two languages are too few"
