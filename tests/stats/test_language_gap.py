"""The language gap: against independent implementations, its properties, and its coverage in simulated audits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from evalkit.stats.clustered import clustered_mean
from evalkit.stats.covariates import regress
from evalkit.stats.language_gap import gap, share_lost, vote_gap, within_a_third


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
    none = gap(np.zeros(48), prompts, rng=rng())
    assert within_a_third(gaps[0], [*gaps, none]) is None  # a third of no gap is no margin


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


def crossed(seed, prompts=12, langs=5):
    """Unbalanced rows of prompts x languages with a covariate of languages."""
    draw = np.random.default_rng(seed)
    prompt, lang = np.repeat(np.arange(prompts), langs), np.tile(np.arange(langs), prompts)
    kept = draw.random(prompt.size) < 0.8
    x = np.column_stack([np.ones(prompt.size), draw.exponential(1, langs)[lang] + draw.normal(0, 0.2, prompt.size)])
    return x[kept], draw.normal(0, 1, kept.sum()), prompt[kept], lang[kept]


@pytest.mark.parametrize("seed", range(4))
def test_the_bias_reduced_variance_is_bell_and_mccaffreys_by_whole_matrices(seed):
    """Square roots and covariances of the whole hat matrix, as the paper writes them."""
    from scipy.linalg import fractional_matrix_power

    from evalkit.stats.bias_reduced import _one_way

    x, y, _, lang = crossed(seed)
    bread = np.linalg.inv(x.T @ x)
    rest = np.eye(y.size) - x @ bread @ x.T
    found = _one_way(x, rest @ y, lang, 5)
    for place in range(2):
        terms, total = [], 0.0
        for group in range(5):
            mine = lang == group
            root = fractional_matrix_power(rest[np.ix_(mine, mine)], -0.5)
            weights = root @ x[mine] @ bread[:, place]
            total += (weights @ (rest @ y)[mine]) ** 2
            terms.append(rest[:, mine] @ weights)
        values = np.linalg.eigvalsh(np.array(terms) @ np.array(terms).T)
        assert found.variance[place] == pytest.approx(total)
        assert found.degrees_of_freedom[place] == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_with_clusters_of_one_it_is_statsmodels_hc2_and_of_a_mean_the_plain_t():
    from evalkit.stats.bias_reduced import _one_way

    x, y, _, _ = crossed(7)
    fit = OLS(y, x).fit()
    single = _one_way(x, fit.resid, np.arange(y.size), y.size)
    assert np.sqrt(single.variance) == pytest.approx(fit.HC2_se)
    values, groups = np.random.default_rng(8).normal(0, 1, 30), np.repeat(np.arange(10), 3)
    means = values.reshape(10, 3).mean(axis=1)
    mean = _one_way(np.ones((30, 1)), values - values.mean(), groups, 10)
    assert mean.variance[0] == pytest.approx(means.var(ddof=1) / 10)
    assert mean.degrees_of_freedom[0] == pytest.approx(9)


@given(st.integers(0, 10_000))
def test_a_language_that_alone_decides_a_slope_breaks_nothing(seed):
    _, y, prompt, lang = crossed(seed)
    found = regress(y, (lang == 1).astype(float), prompt, lang)
    assert found.slopes[0].low < found.slopes[0].value < found.slopes[0].high
    assert found.intercept.low < found.intercept.value < found.intercept.high


def test_cells_of_one_row_are_hc2_as_the_general_way_has_it():
    from evalkit.stats.bias_reduced import _by_cell, _one_way
    from evalkit.stats.cluster_variance import clusters

    x, y, prompt, lang = crossed(9)
    groups = clusters(prompt, lang)
    assert groups.cells == y.size
    assert _by_cell(x, y, groups) == pytest.approx(_one_way(x, y, groups.cell, groups.cells).variance)


def votes_crossed(prompts=14, raters=7, rater_sd=0.6, seed=3):
    """Every rater judges every prompt in both languages: prompt, rater, language, and an answer with rater effects."""
    draw = np.random.default_rng(seed)
    prompt, rater, other = (axis.ravel() for axis in np.indices((prompts, raters, 2)))
    liking = draw.normal(0, rater_sd, raters)[rater] * other + draw.normal(0, 0.2, prompts)[prompt] * other
    return prompt, rater, other.astype(bool), draw.normal(0.1, 0.1, prompt.size) + 0.1 * other + liking


def test_crossed_votes_give_the_two_way_clustered_mean_of_the_paired_differences():
    prompt, rater, other, values = votes_crossed()
    found = vote_gap(values, prompt, rater, other)
    paired = clustered_mean((values[other] - values[~other]), prompt[other], rater[other]).estimate
    assert (found.value, found.low, found.high) == pytest.approx((paired.value, paired.low, paired.high))
    assert (found.prompts, found.raters, found.n) == (14, 7, values.size)


def test_raters_who_differ_widen_the_interval_of_a_gap_in_votes():
    """The twin: clustered by prompt alone, as it was, the same votes look far surer than they are."""
    prompt, rater, other, values = votes_crossed()
    found = vote_gap(values, prompt, rater, other)
    alone = vote_gap(values, prompt, np.arange(values.size), other)
    assert found.value == pytest.approx(alone.value)
    assert found.high - found.low > 1.5 * (alone.high - alone.low)
    narrow = vote_gap(values, prompt, rater, other, confidence=0.8)
    assert found.low < narrow.low < narrow.high < found.high


def test_a_gap_in_votes_counts_each_prompt_once_and_only_those_judged_in_both_languages():
    prompt, rater, other, values = votes_crossed()
    more = (prompt == 0) & other  # one cell three times over, and a prompt of one language alone
    again = [np.concatenate([axis, axis[more], axis[more]]) for axis in (values, prompt, rater, other)]
    again = [np.append(axis, extra) for axis, extra in zip(again, (9.0, 99, 0, True), strict=True)]
    assert vote_gap(*again).value == pytest.approx(vote_gap(values, prompt, rater, other).value)
    assert vote_gap(values[other], prompt[other], rater[other], other[other]).value is None


@pytest.mark.slow
def test_the_interval_of_a_gap_in_votes_holds_when_each_rater_reads_one_language():
    """400 studies of 40 prompts and 20 raters in each language, rater effects of 0.15: 95 % intervals hold 92-98 %."""
    draw, held = np.random.default_rng(8), 0
    prompt, rater, other = (axis.ravel() for axis in np.indices((40, 20, 2)))
    for _ in range(400):
        effects = draw.normal(0, 0.15, (20, 2))[rater, other] + draw.normal(0, 0.1, (40, 2))[prompt, other]
        found = vote_gap(0.1 * other + effects + draw.normal(0, 0.4, other.size), prompt, 2 * rater + other, other)
        held += found.low < 0.1 < found.high
    assert 0.92 * 400 <= held <= 0.985 * 400, held
