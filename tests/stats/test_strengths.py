"""Three or more systems, against choix, evalica, a Poisson regression with pair dummies and the closed form."""

from itertools import combinations
from math import log

import choix
import evalica
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bradley_terry import clustered_log_ratio, davidson
from evalkit.stats.strengths import Ranking, connected, rank_systems

NAMES = np.array(["a", "b", "c", "d"])


def votes(seed: int, n: int = 400, nu: float = 0.7, systems: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, systems, n)
    second = (first + rng.integers(1, systems, n)) % systems
    gap = np.array([0.6, 0.2, -0.2, -0.6])[first] - np.array([0.6, 0.2, -0.2, -0.6])[second]
    weights = np.stack([np.exp(gap), np.ones(n), nu * np.exp(gap / 2)])
    drawn = (rng.random(n) > (weights / weights.sum(axis=0)).cumsum(axis=0)).sum(axis=0)
    return {
        "first": NAMES[first], "second": NAMES[second], "outcomes": np.array([1, -1, 0])[drawn],
        "prompts": rng.integers(0, 30, n), "raters": rng.integers(0, 9, n),
    }  # fmt: skip


def by_name(ranking: Ranking) -> dict[str, float]:
    return {strength.system: strength.estimate.value for strength in ranking.strengths}


def test_the_cycle_of_choix() -> None:
    ranking = rank_systems(list("abca"), list("bcab"), [1, 1, 1, 1], [0] * 4, None, ties=False)
    assert [by_name(ranking)[name] for name in "abc"] == pytest.approx([0.419617624, -0.419617624, 0], abs=1e-8)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_without_ties_it_is_choix_and_evalica(seed: int) -> None:
    data = votes(seed, nu=0.0)
    ours = by_name(rank_systems(**data, ties=False))
    won = data["outcomes"] > 0
    winners, losers = np.where(won, data["first"], data["second"]), np.where(won, data["second"], data["first"])
    pairs = list(zip(np.searchsorted(NAMES, winners), np.searchsorted(NAMES, losers), strict=True))
    assert [ours[name] for name in NAMES] == pytest.approx(choix.mm_pairwise(4, pairs), abs=1e-5)
    theirs = evalica.bradley_terry(list(winners), list(losers), [evalica.Winner.X] * len(winners), tolerance=1e-12)
    logs = np.log(theirs.scores[list(NAMES)].to_numpy())
    assert [ours[name] for name in NAMES] == pytest.approx(logs - logs.mean(), abs=1e-4)


def test_with_ties_it_is_a_poisson_regression_with_pair_dummies() -> None:
    data = votes(7)
    rows = []
    for x, y in combinations(NAMES, 2):
        sign = np.where((data["first"] == x) & (data["second"] == y), 1, 0)
        sign = np.where((data["first"] == y) & (data["second"] == x), -1, sign)
        outcome = (data["outcomes"] * sign)[sign != 0]
        for result, points in ((1, (1, 0)), (-1, (0, 1)), (0, (0.5, 0.5))):
            strengths = {name: points[0] * (name == x) + points[1] * (name == y) for name in NAMES[1:]}
            rows.append(
                {"count": (outcome == result).sum(), "tie": float(result == 0), f"pair{x}{y}": 1.0, **strengths}
            )
    frame = pd.DataFrame(rows).fillna(0.0)
    fit = sm.GLM(frame["count"], frame.drop(columns="count"), family=sm.families.Poisson()).fit(tol=1e-12)
    theirs = np.array([0.0, *fit.params[list(NAMES[1:])]])
    ranking = rank_systems(**data)
    assert [by_name(ranking)[name] for name in NAMES] == pytest.approx(theirs - theirs.mean(), abs=1e-6)
    assert ranking.tie_parameter == pytest.approx(np.exp(fit.params["tie"]), abs=1e-6)


def test_two_systems_are_the_closed_form_with_the_same_interval() -> None:
    data = votes(3, systems=2)
    value = data["outcomes"] * np.where(data["first"] == "a", 1, -1)
    ranking = rank_systems(**data)
    wins, losses = int((value > 0).sum()), int((value < 0).sum())
    contrast = ranking.contrasts[0].estimate
    assert contrast.value == pytest.approx(log(wins / losses))
    assert ranking.tie_parameter == pytest.approx(davidson(wins, losses, int((value == 0).sum())).tie_parameter)
    decisive = rank_systems(**data, ties=False).contrasts[0].estimate
    closed = clustered_log_ratio(value, data["prompts"], data["raters"])
    assert (decisive.low, decisive.high) == pytest.approx((closed.low, closed.high))


def test_errors_are_those_of_a_clustered_logit() -> None:
    data = votes(11, nu=0.0)
    design = np.stack([(data["first"] == x).astype(float) - (data["second"] == x) for x in NAMES[1:]], axis=1)
    one_way = rank_systems(**{**data, "raters": None}, ties=False)
    by_prompt = sm.GLM((data["outcomes"] > 0).astype(float), design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": data["prompts"], "use_correction": False}
    )
    contrast = next(c for c in one_way.contrasts if (c.first, c.second) == ("a", "b")).estimate
    error = (contrast.high - contrast.low) / 2 / stats.t.isf(0.025, 29)
    assert error == pytest.approx(by_prompt.bse[0] * np.sqrt(30 / 29), rel=1e-6)
    assert -contrast.value == pytest.approx(by_prompt.params[0], abs=1e-8)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_swapping_all_sides_flips_nothing_but_the_outcome(seed: int) -> None:
    data = votes(seed)
    swapped = {**data, "first": data["second"], "second": data["first"], "outcomes": -data["outcomes"]}
    one, other = rank_systems(**data), rank_systems(**swapped)
    assert by_name(other) == pytest.approx(by_name(one), abs=1e-7)
    assert [s.best_rank for s in one.strengths] == [s.best_rank for s in other.strengths]


def test_rank_ranges_hold_the_order_and_narrow_with_votes() -> None:
    few, many = (rank_systems(**votes(5, n=n)) for n in (150, 6000))
    for ranking in (few, many):
        for place, strength in enumerate(ranking.strengths, 1):
            assert strength.best_rank <= place <= strength.worst_rank
    spread = [sum(s.worst_rank - s.best_rank for s in ranking.strengths) for ranking in (few, many)]
    assert spread[0] > spread[1]


def test_an_unbeaten_system_has_no_finite_strength() -> None:
    ranking = rank_systems(list("aab"), list("bcc"), [1, 1, 1], [0, 1, 2], None)
    assert ranking.strengths == () and "no finite strengths" in ranking.note


def test_connection_needs_wins_both_ways_and_ties_do_not_count() -> None:
    assert connected([0, 1, 2], [1, 2, 0], [1, 1, 1], 3)
    assert connected([0, 1], [1, 0], [1, 1], 2)
    assert not connected([0, 1], [1, 0], [1, 0], 2)
    assert not connected([0, 1], [1, 0], [1, 1], 3)


def test_few_prompts_give_strengths_without_intervals_or_ranks() -> None:
    data = votes(1)
    ranking = rank_systems(**{**data, "prompts": data["prompts"] % 7})
    assert all(s.estimate.low is None and s.best_rank is None for s in ranking.strengths)


def test_the_statistics_journals_of_stigler() -> None:
    """Citations between four journals (Stigler 1994; Agresti): log-strengths against Biometrika as published."""
    cited = {
        ("Biometrika", "Communications"): (730, 33),
        ("Biometrika", "JASA"): (498, 320),
        ("Biometrika", "JRSS-B"): (221, 284),
        ("Communications", "JASA"): (68, 813),
        ("Communications", "JRSS-B"): (17, 276),
        ("JASA", "JRSS-B"): (142, 325),
    }
    games = [
        (a, b, outcome)
        for (a, b), counts in cited.items()
        for outcome, n in zip((1, -1), counts, strict=True)
        for _ in range(n)
    ]
    first, second, outcomes = (list(column) for column in zip(*games, strict=True))
    ranking = rank_systems(first, second, outcomes, np.arange(len(games)), None)
    found = by_name(ranking)
    against = [found[name] - found["Biometrika"] for name in ("Communications", "JASA", "JRSS-B")]
    assert against == pytest.approx([-2.949, -0.480, 0.269], abs=1e-3)
