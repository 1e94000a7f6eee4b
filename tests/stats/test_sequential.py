"""The precision rule, and why the e-value is no rule under clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from evalkit.stats.estimate import Estimate
from evalkit.stats.planning import Design, Effects, simulate_votes
from evalkit.stats.sequential import e_value, precision


def estimate(low: float | None, high: float | None) -> Estimate:
    return Estimate(0.2, low, high, 60, "clustered t, prompt x rater")


def test_enough_when_the_half_width_is_the_planned_one() -> None:
    assert precision(estimate(0.1, 0.3), 0.1000001).verdict == "enough"
    assert precision(estimate(0.1, 0.3), 0.09).verdict == "not yet"
    assert precision(estimate(0.1, 0.3), 0.09).half_width == pytest.approx(0.1)


def test_no_interval_is_not_enough() -> None:
    verdict = precision(estimate(None, None), 5.0)
    assert verdict.verdict == "not yet" and verdict.half_width is None
    with pytest.raises(ValueError, match="above 0"):
        precision(estimate(0.1, 0.3), 0.0)


@given(shift=st.floats(-0.9, 0.9))
def test_the_verdict_does_not_know_who_leads(shift: float) -> None:
    assert precision(estimate(shift - 0.05, shift + 0.05), 0.06).verdict == "enough"


def test_e_value_of_the_published_table() -> None:
    assert e_value(39, 29).value == pytest.approx(0.3111, abs=5e-5)
    assert e_value(0, 0).value == 1.0 and e_value(39, 29).stop_at == 20


@given(wins=st.integers(0, 40), losses=st.integers(0, 40))
def test_e_value_is_the_mean_likelihood_ratio(wins: int, losses: int) -> None:
    mean, _ = integrate.quad(lambda p: stats.binom.pmf(wins, wins + losses, p), 0, 1, epsabs=1e-13)
    assert e_value(wins, losses).value == pytest.approx(mean / stats.binom.pmf(wins, wins + losses, 0.5), rel=1e-6)
    assert e_value(wins, losses).value == pytest.approx(e_value(losses, wins).value)


@given(wins=st.integers(0, 30), losses=st.integers(0, 30))
def test_e_value_is_a_fair_game_under_the_null(wins: int, losses: int) -> None:
    next_ones = e_value(wins + 1, losses).value + e_value(wins, losses + 1).value
    assert next_ones / 2 == pytest.approx(e_value(wins, losses).value)


def stops(effects: Effects) -> float:
    """Share of 300 null studies of 10 prompts x 3 images x 10 raters that the e-value ever stops."""
    votes = simulate_votes(Design(10, 10, 10, images=3), effects, 300, np.random.default_rng(0)).values
    wins, losses = (votes > 0).cumsum(axis=1), (votes < 0).cumsum(axis=1)
    stop = np.vectorize(lambda w, x: e_value(int(w), int(x)).value >= 20)(wins, losses)
    return float(stop.any(axis=1).mean())


def test_e_value_holds_its_level_for_independent_votes_and_not_for_clustered_ones() -> None:
    assert stops(Effects(prompt_sd=0, image_sd=0, rater_sd=0)) <= 0.05
    assert stops(Effects(prompt_sd=0.8, image_sd=0.4, rater_sd=0.3)) > 0.12
