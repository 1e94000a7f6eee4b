"""The order effect of all systems, against a published home advantage and against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.pair_likelihood import fit_pairs
from evalkit.stats.position import order_effect, position_effect

TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
# American League, Eastern Division, 1987: won and lost at home against each of the others in the order of TEAMS
# (Agresti, Categorical Data Analysis, section on the Bradley-Terry model with a home-field advantage).
HOME = {
    "Milwaukee": ((4, 3), (4, 2), (4, 3), (6, 1), (4, 2), (6, 0)),
    "Detroit": ((3, 3), (4, 2), (4, 3), (6, 0), (6, 1), (4, 3)),
    "Toronto": ((2, 5), (4, 3), (2, 4), (4, 3), (4, 2), (6, 0)),
    "New York": ((3, 3), (5, 1), (2, 5), (4, 3), (4, 2), (6, 1)),
    "Boston": ((5, 1), (2, 5), (3, 3), (4, 2), (5, 2), (6, 0)),
    "Cleveland": ((2, 5), (3, 3), (3, 4), (4, 3), (4, 2), (2, 4)),
    "Baltimore": ((2, 5), (1, 5), (1, 6), (2, 4), (1, 6), (3, 4)),
}


def games() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Home team, away team and outcome (1: home won) of every game."""
    home, away, outcome = [], [], []
    for team, results in HOME.items():
        for other, (won, lost) in zip((t for t in TEAMS if t != team), results, strict=True):
            home += [TEAMS.index(team)] * (won + lost)
            away += [TEAMS.index(other)] * (won + lost)
            outcome += [1] * won + [-1] * lost
    return np.array(home), np.array(away), np.array(outcome)


def test_the_home_advantage_of_the_american_league_of_1987() -> None:
    home, away, outcome = games()
    fit = fit_pairs(home, away, outcome, 7, first_is_left=np.ones(outcome.size, dtype=bool))
    assert fit.order_effect == pytest.approx(0.302, abs=1e-3)
    against_baltimore = fit.log_strengths - fit.log_strengths[-1]
    published = (1.62, 1.48, 1.33, 1.28, 1.14, 0.70, 0.0)
    assert against_baltimore == pytest.approx(published, abs=0.01)


@given(st.integers(0, 2**32 - 1))
def test_it_is_the_logit_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 4, 400), rng.integers(0, 4, 400)
    second = np.where(first == second, (second + 1) % 4, second)
    left = rng.random(400) < 0.5
    logit = (
        np.array([0.8, 0.3, 0.0, -0.5])[first] - np.array([0.8, 0.3, 0.0, -0.5])[second] + 0.4 * np.where(left, 1, -1)
    )
    won = rng.random(400) < 1 / (1 + np.exp(-logit))
    found = order_effect(first, second, np.where(won, 1, -1), left, np.arange(400), None)
    design = np.zeros((400, 4))
    design[np.arange(400), first], design[np.arange(400), second] = 1, -1
    fit = sm.GLM(won, np.column_stack([design[:, 1:], np.where(left, 1, -1)]), family=sm.families.Binomial()).fit(
        cov_type="HC0"
    )
    assert found.value == pytest.approx(fit.params[-1], abs=1e-6)
    assert (found.high - found.value) / 1.9659 == pytest.approx(fit.bse[-1] * (400 / 399) ** 0.5, rel=1e-3)


def test_with_two_systems_it_is_the_closed_form() -> None:
    rng = np.random.default_rng(4)
    left, prompts, raters = rng.random(300) < 0.5, np.arange(300) % 20, np.arange(300) % 7
    won = rng.random(300) < 0.4 + 0.3 * left
    pooled = order_effect(["a"] * 300, ["b"] * 300, np.where(won, 1, -1), left, prompts, raters)
    closed = position_effect(won == left, left, prompts, raters).intercept
    assert (pooled.value, pooled.low, pooled.high) == pytest.approx((closed.value, closed.low, closed.high), abs=1e-6)


def test_swapping_systems_keeps_it_and_swapping_sides_flips_it() -> None:
    rng = np.random.default_rng(8)
    first, step = rng.integers(0, 3, 200), rng.integers(1, 3, 200)
    second, left, outcome = (first + step) % 3, rng.random(200) < 0.6, rng.integers(-1, 2, 200)
    prompts, raters = rng.integers(0, 12, 200), rng.integers(0, 6, 200)
    for ties in (False, True):
        base = order_effect(first, second, outcome, left, prompts, raters, ties=ties)
        swapped = order_effect(second, first, -outcome, ~left, prompts, raters, ties=ties)
        sides = order_effect(first, second, outcome, ~left, prompts, raters, ties=ties)
        assert swapped.value == pytest.approx(base.value, abs=1e-6)
        assert sides.value == pytest.approx(-base.value, abs=1e-6)


def test_where_there_is_no_finite_estimate_it_says_so() -> None:
    ones = np.ones(20, dtype=int)
    beaten = order_effect(["a"] * 20, ["b"] * 20, ones, ones > 0, np.arange(20), None)
    assert beaten.value is None and "never beat" in str(beaten.note)
    left = np.arange(20) % 2 == 0
    always = order_effect(["a"] * 20, ["b"] * 20, np.where(left, 1, -1), left, np.arange(20), None)
    assert always.value is None and "one side" in str(always.note)
