"""Position effect and repeats, against statsmodels' logit and Cohen's kappa; each with a planted fault."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from evalkit.stats.position import PositionEffect, position_effect, repeat_consistency


def study(seed: int, side: float, system: float, n: int = 600) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a_left = rng.random(n) < 0.5
    logit = side + system * np.where(a_left, 1, -1)
    return {
        "left_won": rng.random(n) < 1 / (1 + np.exp(-logit)), "a_is_left": a_left,
        "prompts": np.arange(n) % 40, "raters": np.arange(n) // 60,
    }  # fmt: skip


def numbers(effect: PositionEffect) -> tuple[float, float, float]:
    return effect.intercept.value, effect.intercept.low, effect.intercept.high


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_intercept_is_that_of_a_logit_regression_with_clustered_errors(seed: int) -> None:
    data = study(seed, side=0.2, system=0.3)
    design = np.column_stack([np.ones(600), np.where(data["a_is_left"], 1, -1)])
    fit = sm.GLM(data["left_won"].astype(float), design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": data["prompts"], "use_correction": False}
    )
    ours = position_effect(**{**data, "raters": None})
    half = stats.t.isf(0.025, 39) * fit.bse[0] * np.sqrt(40 / 39)
    assert numbers(ours) == pytest.approx((fit.params[0], fit.params[0] - half, fit.params[0] + half), rel=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_swapping_the_systems_keeps_it_and_relabelling_the_sides_flips_it(seed: int) -> None:
    data = study(seed, side=0.2, system=0.3)
    one = numbers(position_effect(**data))
    systems = numbers(position_effect(**{**data, "a_is_left": ~data["a_is_left"]}))
    sides = position_effect(**{**data, "left_won": ~data["left_won"], "a_is_left": ~data["a_is_left"]})
    assert systems == pytest.approx(one)
    assert numbers(sides) == pytest.approx((-one[0], -one[2], -one[1]))


def test_a_strong_preference_is_not_taken_for_a_side() -> None:
    effect = position_effect(**study(0, side=0.0, system=1.5))
    assert effect.intercept.low < 0 < effect.intercept.high


def test_a_planted_side_is_found() -> None:
    effect = position_effect(**study(0, side=0.8, system=1.5))
    assert effect.intercept.low > 0 and effect.left_if_equal.low > 0.5
    assert effect.left_if_equal.value == pytest.approx(1 / (1 + np.exp(-effect.intercept.value)))


def test_one_order_only_is_undefined() -> None:
    data = study(0, 0.0, 0.0)
    effect = position_effect(**{**data, "a_is_left": np.ones(600, dtype=bool)})
    assert effect.intercept.value is None and "undefined" in effect.intercept.note
    assert effect.left_share.value is not None
    nothing = position_effect([], [], [], [])
    assert nothing.left_share.value is None and nothing.intercept.value is None


def repeats(seed: int, keeps_system: float, keeps_side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.choice(["a", "b", "tie", "neither"], 300, p=[0.4, 0.3, 0.2, 0.1])
    flipped = np.where(first == "a", "b", np.where(first == "b", "a", first))
    drawn, noise = rng.random(300), rng.choice(["a", "b", "tie", "neither"], 300)
    second = np.where(drawn < keeps_system, first, np.where(drawn < keeps_system + keeps_side, flipped, noise))
    return first, second, np.arange(300) % 30, np.arange(300) // 30


def test_kappa_is_that_of_statsmodels() -> None:
    first, second, prompts, raters = repeats(1, 0.5, 0.0)
    names = ["a", "b", "tie", "neither"]
    table = np.array([[((first == x) & (second == y)).sum() for y in names] for x in names])
    theirs = cohens_kappa(table)
    alone = repeat_consistency(first, second, np.arange(300), None).kappa
    assert alone.value == pytest.approx(theirs.kappa)
    assert (alone.high - alone.low) / 2 == pytest.approx(1.968 * theirs.std_kappa, rel=0.01)
    assert repeat_consistency(first, second, prompts, raters).same_system.value == (first == second).mean()


def test_a_rater_who_keeps_the_side_is_found() -> None:
    honest, planted = (repeat_consistency(*repeats(2, 0.6, side)) for side in (0.0, 0.4))
    assert planted.same_side.low > honest.same_side.high


def test_repeats_without_answers_or_with_one_answer_are_undefined() -> None:
    assert repeat_consistency([], [], [], []).same_system.value is None
    same = repeat_consistency(["a"] * 20, ["a"] * 20, np.arange(20), np.arange(20) % 5)
    assert same.kappa.value is None and "undefined" in same.kappa.note
