"""The headline, against statsmodels' two-way sandwich, the crossed quasi-F, the t test and its own properties."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import anova_lm

from evalkit.stats.cluster_variance import cluster_variance, clusters
from evalkit.stats.clustered import ClusteredMean, clustered_mean, clustered_share
from evalkit.stats.equivalence import equivalence
from evalkit.stats.planning import Design, Effects, simulate_votes
from evalkit.stats.proportion import naive_preference, wilson

seeds = st.integers(0, 10_000)


def votes(seed: int, prompts: int = 12, raters: int = 6, per_pair: int = 4, preference: float = 0.3):
    study = simulate_votes(
        Design(prompts, raters, per_pair, images=2), Effects(preference), 1, np.random.default_rng(seed)
    )
    return study.values[0], study.prompts, study.raters


def interval(mean: ClusteredMean) -> tuple[float, float]:
    return mean.estimate.low, mean.estimate.high


@given(seed=seeds)
def test_variances_are_those_of_statsmodels_two_way_sandwich(seed: int) -> None:
    values, prompts, raters = votes(seed)
    assume(np.ptp(values) > 0)
    fit = sm.OLS(values, np.ones_like(values)).fit(
        cov_type="cluster", cov_kwds={"groups": np.column_stack([prompts, raters])}
    )
    ways = [clusters(prompts, None), clusters(raters, None), clusters(prompts * 100 + raters, None)]
    influence = (values - values.mean()) / values.size
    by_prompt, by_rater, by_cell = (cluster_variance(influence, way).variance[0] for way in ways)
    # statsmodels adds the three parts with one factor (n-1)/(n-k) = 1 and G/(G-1) of each
    assert by_prompt + by_rater - by_cell == pytest.approx(fit.cov_params()[0, 0], rel=1e-9)
    ours = clustered_mean(values, prompts, raters).standard_error
    if ours is not None:
        assert ours**2 == pytest.approx(max(by_prompt, by_rater, by_prompt + by_rater - by_cell))


def test_one_vote_in_each_cell_is_the_crossed_quasi_f() -> None:
    values, prompts, raters = (x.ravel() for x in np.broadcast_arrays(0.0, np.arange(9)[:, None], np.arange(7)))
    rng = np.random.default_rng(3)
    values = 0.4 + rng.normal(size=9)[prompts] + rng.normal(size=7)[raters] + rng.normal(size=63)
    frame = pd.DataFrame({"y": values, "p": prompts, "r": raters})
    squares = anova_lm(sm.OLS.from_formula("y ~ C(p) + C(r)", frame).fit())["sum_sq"].to_numpy()
    # Clark 1973: mean squares of prompts and raters; cells around the grand mean take the place of the interaction
    ms_prompt, ms_rater, ms_cell = squares[0] / 8, squares[1] / 6, squares.sum() / 62
    variance = (ms_prompt + ms_rater - ms_cell) / 63
    df = (ms_prompt + ms_rater - ms_cell) ** 2 / (ms_prompt**2 / 8 + ms_rater**2 / 6 + ms_cell**2 / 48)
    mean = clustered_mean(values, prompts, raters, bounds=None)
    assert mean.standard_error == pytest.approx(sqrt(variance))
    assert mean.degrees_of_freedom == pytest.approx(df)
    assert mean.test.p == pytest.approx(stats.f.sf(values.mean() ** 2 / variance, 1, df))


def test_degrees_of_freedom_never_fall_below_the_smaller_side() -> None:
    for seed in range(30):
        values, prompts, raters = votes(seed, prompts=10, raters=5, per_pair=1)
        mean = clustered_mean(values, prompts, raters)
        assert mean.degrees_of_freedom is None or mean.degrees_of_freedom >= 4


@given(seed=seeds)
def test_without_raters_it_is_the_t_test_over_prompts(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=20)
    mean = clustered_mean(values, np.arange(20), None, bounds=None)
    expected = stats.ttest_1samp(values, 0)
    assert mean.test.p == pytest.approx(expected.pvalue)
    assert interval(mean) == pytest.approx(expected.confidence_interval())
    assert mean.scope == "new prompts" and mean.estimate.raters is None


@given(seed=seeds)
def test_swapping_the_systems_flips_the_effect_and_keeps_p(seed: int) -> None:
    values, prompts, raters = votes(seed)
    one, other = clustered_mean(values, prompts, raters), clustered_mean(-values, prompts, raters)
    assert other.estimate.value == pytest.approx(-one.estimate.value)
    assert other.test.p == pytest.approx(one.test.p)
    assert interval(other) == pytest.approx((-one.estimate.high, -one.estimate.low))


@given(seed=seeds)
def test_names_and_order_of_prompts_and_raters_do_not_matter(seed: int) -> None:
    values, prompts, raters = votes(seed)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(values.size), rng.permutation(1000)
    one = clustered_mean(values, prompts, raters)
    other = clustered_mean(values[order], names[prompts][order].astype(str), names[raters][order])
    assert interval(other) == pytest.approx(interval(one))
    assert other.test.p == pytest.approx(one.test.p)


@given(seed=seeds)
def test_doubling_every_vote_changes_nothing_but_the_naive_interval(seed: int) -> None:
    values, prompts, raters = votes(seed)
    one = clustered_mean(values, prompts, raters, bounds=None)
    two = clustered_mean(*(np.tile(x, 2) for x in (values, prompts, raters)), bounds=None)
    assert interval(two) == pytest.approx(interval(one))
    widths = [mean.naive.high - mean.naive.low for mean in (one, two)]
    assert widths[0] / widths[1] == pytest.approx(sqrt(2))


@given(seed=seeds)
def test_naive_beside_it_is_the_naive_preference(seed: int) -> None:
    values, prompts, raters = votes(seed)
    naive = clustered_mean(values, prompts, raters).naive
    closed = naive_preference(int((values > 0).sum()), int((values < 0).sum()), values.size)
    assert (naive.low, naive.high) == pytest.approx((closed.low, closed.high))


def test_under_eight_prompts_there_is_a_value_and_no_claim() -> None:
    values, prompts, raters = votes(1, prompts=7)
    mean = clustered_mean(values, prompts, raters)
    assert mean.estimate.value == pytest.approx(values.mean())
    assert mean.estimate.low is None and mean.test.p is None and "8 prompts" in mean.estimate.note


@pytest.mark.parametrize(("raters", "scope"), [(1, "this rater only"), (2, "these raters only")])
def test_two_raters_or_fewer_say_nothing_of_new_raters(raters: int, scope: str) -> None:
    values, prompts, who = votes(2, raters=raters, per_pair=raters)
    mean = clustered_mean(values, prompts, who)
    assert mean.scope == scope and scope in mean.estimate.method
    assert interval(mean) == pytest.approx(interval(clustered_mean(values, prompts, None)))


def test_ties_only_are_p_one_and_no_interval() -> None:
    mean = clustered_mean(np.zeros(40), np.arange(40) % 10, np.arange(40) % 4)
    assert mean.estimate.value == 0 and mean.test.p == 1.0 and mean.estimate.low is None


def test_a_unanimous_study_has_no_interval_from_a_variance_but_its_share_has_one() -> None:
    prompts, raters = np.arange(40) % 10, np.arange(40) // 10
    mean = clustered_mean(np.ones(40), prompts, raters)
    assert mean.estimate.value == 1 and mean.test.p is None and "same" in mean.estimate.note
    share = clustered_share(np.ones(40), prompts, raters)
    assert (share.low, share.high) == pytest.approx((wilson(4, 4).low, 1.0))


def test_no_votes_are_no_answer() -> None:
    mean = clustered_mean([], [], [])
    assert mean.estimate.value is None and mean.test.p is None and mean.estimate.note == "no votes"


def test_missing_values_and_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="count missing votes"):
        clustered_mean([1.0, np.nan], ["p", "q"], ["r", "s"])
    with pytest.raises(ValueError, match="label is missing"):
        clustered_mean([1.0, 0.0], [0.0, np.nan], ["r", "s"])
    with pytest.raises(ValueError, match="one of each per vote"):
        clustered_mean([1.0, 0.0, 1.0], [0, 1], [0, 1])


@given(seed=seeds)
def test_share_interval_is_never_shorter_than_the_naive_one(seed: int) -> None:
    values, prompts, raters = votes(seed)
    hits = values > 0
    share, naive = clustered_share(hits, prompts, raters), wilson(int(hits.sum()), hits.size)
    assert share.low <= naive.low + 1e-12 and share.high >= naive.high - 1e-12
    assert share.n == hits.size and share.prompts == 12 and share.raters == 6


@given(seed=seeds)
def test_share_of_hits_and_of_misses_mirror(seed: int) -> None:
    values, prompts, raters = votes(seed)
    hits, misses = (clustered_share(x, prompts, raters) for x in (values > 0, values <= 0))
    assert (hits.low, hits.high) == pytest.approx((1 - misses.high, 1 - misses.low))


@settings(max_examples=30)
@given(seed=seeds, margin=st.floats(0.05, 0.9))
def test_equivalence_is_the_90_percent_interval_within_the_margin(seed: int, margin: float) -> None:
    values, prompts, raters = votes(seed, preference=0.0)
    mean = clustered_mean(values, prompts, raters)
    assume(mean.standard_error is not None)
    verdict = equivalence(mean, margin)
    narrow = clustered_mean(values, prompts, raters, confidence=0.9, bounds=None)
    assert interval(narrow) == pytest.approx((verdict.estimate.low, verdict.estimate.high))
    assert verdict.equivalent == (-margin < verdict.estimate.low and verdict.estimate.high < margin)


def test_equivalence_by_prompt_is_the_larger_of_two_one_sided_t_tests() -> None:
    values = np.random.default_rng(0).normal(0.01, 0.2, 30)
    verdict = equivalence(clustered_mean(values, np.arange(30), None), 0.1)
    above = stats.ttest_1samp(values, -0.1, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.1, alternative="less").pvalue
    assert verdict.test.p == pytest.approx(max(above, below))


def test_a_difference_that_is_not_significant_is_not_equivalence() -> None:
    values, prompts, raters = votes(5, preference=0.0)
    mean = clustered_mean(values, prompts, raters)
    assert mean.test.p > 0.05 and equivalence(mean, 0.1).equivalent is False


def test_equivalence_of_nothing_is_undecided() -> None:
    verdict = equivalence(clustered_mean([], [], []))
    assert verdict.equivalent is None and verdict.test.p is None and verdict.test.note == "no votes"
    with pytest.raises(ValueError, match="margin"):
        equivalence(clustered_mean([], [], []), 0.0)
