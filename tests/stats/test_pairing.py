"""Paired systems and bootstraps, against scipy and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bootstrap import cluster_bootstrap_mean, two_way_bootstrap_mean
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.pairing import paired_difference, prompt_lottery
from evalkit.stats.planning import Design, Effects, simulate_votes

seeds = st.integers(0, 10_000)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@settings(max_examples=20)
@given(seed=seeds)
def test_one_image_per_prompt_is_the_paired_t_test(seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 25))
    ours = paired_difference(a, b, np.arange(25), np.arange(25), rng=rng())
    theirs = stats.ttest_rel(a, b)
    assert ours.test.p == pytest.approx(theirs.pvalue)
    assert (ours.estimate.low, ours.estimate.high) == pytest.approx(theirs.confidence_interval())
    assert ours.correlation.value == pytest.approx(stats.pearsonr(a, b).statistic)


def test_a_prompt_counts_once_whatever_its_images_and_order() -> None:
    draw = rng()
    a, b = draw.normal(size=(2, 12))
    one = paired_difference(a, b, np.arange(12), np.arange(12), rng=rng())
    order = draw.permutation(36)
    many = paired_difference(np.tile(a, 3)[order], b, np.tile(np.arange(12), 3)[order], np.arange(12), rng=rng())
    assert (many.estimate.value, many.estimate.low) == pytest.approx((one.estimate.value, one.estimate.low))


def test_unpaired_prompts_are_counted_not_dropped_silently() -> None:
    ours = paired_difference(np.arange(10.0), np.arange(11.0) ** 2, np.arange(10), np.arange(1, 12), rng=rng())
    assert ours.estimate.n == 9 and ours.estimate.note == "3 prompts left out: scored for one system only"
    with pytest.raises(ValueError, match="NaN"):
        paired_difference([np.nan], [1.0], [0], [0], rng=rng())


def test_prompts_left_out_are_told_beside_another_remark() -> None:
    few = paired_difference([1.0, 2.0, 3.0], [0.0, 3.0], [0, 1, 2], [0, 1], rng=rng()).estimate.note
    alone = paired_difference([1.0, 2.0], [0.0, 3.0], [0, 1], [0, 1], rng=rng()).estimate.note
    assert alone and few == f"{alone}; 1 prompts left out: scored for one system only"


def test_few_prompts_have_no_interval_and_equal_systems_p_one() -> None:
    few = paired_difference([1.0, 2.0], [0.0, 3.0], [0, 1], [0, 1], rng=rng())
    assert few.estimate.value == 0 and few.estimate.low is None and few.correlation.value is None
    same = paired_difference(np.arange(20.0), np.arange(20.0), np.arange(20), np.arange(20), rng=rng())
    assert same.test.p == 1.0 and same.estimate.low is None


def test_the_prompt_bootstrap_needs_100_prompts_and_is_that_of_scipy() -> None:
    values = rng().normal(size=150)
    ours = cluster_bootstrap_mean(values, np.arange(150), rng=rng(), resamples=4000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=rng()).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.02)
    short = cluster_bootstrap_mean(values[:99], np.arange(99), rng=rng())
    assert short.low is None and "100 prompts" in short.note and short.value == pytest.approx(values[:99].mean())


def test_the_two_way_bootstrap_agrees_with_the_closed_form_and_is_not_shorter() -> None:
    ratios = []
    for seed in range(12):
        study = simulate_votes(Design(30, 12, 12), Effects(0.3), 1, np.random.default_rng(seed))
        drawn = two_way_bootstrap_mean(study.values[0], study.prompts, study.raters, rng=rng(), resamples=1000)
        closed = clustered_mean(study.values[0], study.prompts, study.raters).estimate
        ratios.append((drawn.high - drawn.low) / (closed.high - closed.low))
    assert 0.85 < np.mean(ratios) < 1.35


def test_empty_draws_are_counted() -> None:
    drawn = two_way_bootstrap_mean(np.arange(4.0), np.arange(4), np.arange(4), rng=rng(), resamples=500)
    assert "hold no vote" in drawn.note
    assert two_way_bootstrap_mean([1.0, 0.0], [0, 1], [0, 1], rng=rng()).low is None


def test_the_lottery_is_the_exact_share_of_draws() -> None:
    values = np.array([1.0] * 9 + [-1.0] * 6)  # draws of 5: hypergeometric
    exact = stats.hypergeom.cdf(2, 15, 9, 5)
    lottery = prompt_lottery(values, rng=rng(), draw=5, names=("one", "two"))
    assert lottery.winner == "one" and lottery.other_wins.low <= exact <= lottery.other_wins.high
    assert prompt_lottery(-values, rng=rng(), draw=5, names=("one", "two")).winner == "two"


def test_a_lottery_without_prompts_or_without_a_winner_is_none() -> None:
    assert prompt_lottery(np.ones(9), rng=rng()).other_wins.value is None
    assert prompt_lottery(np.zeros(30), rng=rng()).winner is None
    assert prompt_lottery(np.ones(30), rng=rng()).other_wins.value == 0
