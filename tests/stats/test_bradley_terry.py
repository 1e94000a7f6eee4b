"""Strengths of two systems, against published figures, the rank of all systems and their own properties."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from evalkit.stats.bradley_terry import clustered_log_ratio, davidson, elo, log_ratio, rao_kupper

counts = st.integers(1, 300)


def test_log_ratio_of_the_published_table() -> None:
    ratio = log_ratio(39, 29)
    assert ratio.value == pytest.approx(0.29627, abs=5e-6)
    assert (ratio.high - ratio.value) / stats.norm.isf(0.025) == pytest.approx(0.24520, abs=5e-6)
    assert elo(ratio).value == pytest.approx(51.5, abs=0.05)


def test_tie_models_of_the_published_table() -> None:
    assert davidson(39, 29, 25).tie_parameter == pytest.approx(0.74338, abs=5e-6)
    assert davidson(39, 29, 25).log_ratio == pytest.approx(0.29627, abs=5e-6)
    assert rao_kupper(39, 29, 25).tie_parameter == pytest.approx(1.74806, abs=5e-6)
    assert rao_kupper(39, 29, 25).log_ratio == pytest.approx(0.23308, abs=5e-6)


@given(wins=counts, losses=counts, ties=counts)
def test_rao_kupper_gives_back_the_shares(wins: int, losses: int, ties: int) -> None:
    model, n = rao_kupper(wins, losses, ties), wins + losses + ties
    a, theta = exp(model.log_ratio), model.tie_parameter
    assert (a / (a + theta), 1 / (1 + theta * a)) == pytest.approx((wins / n, losses / n))


def test_davidson_is_the_maximum_of_its_likelihood() -> None:
    def negative(parameters: np.ndarray) -> float:
        gap, log_nu = parameters
        logits = np.array([gap, 0, log_nu + gap / 2])
        return -float(np.array([39, 29, 25]) @ (logits - np.log(np.exp(logits).sum())))

    best = optimize.minimize(negative, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    model = davidson(39, 29, 25)
    assert best == pytest.approx([model.log_ratio, log(model.tie_parameter)], abs=1e-5)


@pytest.mark.parametrize("model", [davidson, rao_kupper])
def test_no_win_is_no_finite_number(model) -> None:
    assert model(0, 9, 3).log_ratio is None and "no finite" in model(0, 9, 3).note
    assert model(0, 0, 9).log_ratio is None


def test_no_win_is_a_one_sided_interval() -> None:
    ratio, mirror = log_ratio(0, 20), log_ratio(20, 0)
    bound = stats.binomtest(0, 20, alternative="less").proportion_ci(0.95).high
    assert ratio.value is None and ratio.low is None
    assert ratio.high == pytest.approx(log(bound / (1 - bound)))
    assert mirror.low == pytest.approx(-ratio.high) and mirror.high is None


def test_ties_only_have_no_strength() -> None:
    assert log_ratio(0, 0).value is None
    assert clustered_log_ratio(np.zeros(20), np.arange(20) % 10, np.arange(20) % 4).value is None


@given(seed=st.integers(0, 1000))
def test_each_vote_its_own_cluster_is_the_naive_error(seed: int) -> None:
    values = np.random.default_rng(seed).choice([1.0, -1.0, 0.0], 120)
    wins, losses = int((values > 0).sum()), int((values < 0).sum())
    ratio = clustered_log_ratio(values, np.arange(120), None)
    m = wins + losses
    error = sqrt(1 / wins + 1 / losses) * sqrt(m / (m - 1))
    assert (ratio.high - ratio.low) / 2 == pytest.approx(stats.t.isf(0.025, m - 1) * error)
    assert ratio.value == pytest.approx(log(wins / losses)) and ratio.n == m


@given(seed=st.integers(0, 1000))
def test_clustered_log_ratio_mirrors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, prompts, raters = rng.choice([1.0, -1.0, 0.0], 90), np.arange(90) % 15, np.arange(90) // 15
    one, other = (clustered_log_ratio(sign * values, prompts, raters) for sign in (1, -1))
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))


def test_unanimous_votes_have_a_clustered_one_sided_interval() -> None:
    ratio = clustered_log_ratio(np.ones(60), np.arange(60) % 12, np.arange(60) // 12)
    assert ratio.value is None and ratio.high is None and ratio.low > 0 and "one-sided" in ratio.note


def test_few_prompts_have_a_value_and_no_interval() -> None:
    ratio = clustered_log_ratio([1, 1, -1], [0, 1, 2], [0, 1, 2])
    assert ratio.value == pytest.approx(log(2)) and ratio.low is None and "8 prompts" in ratio.note
