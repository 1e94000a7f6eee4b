"""Verdicts of the health card at their thresholds, and Kendall's tau-b against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats import health
from evalkit.stats.estimate import Estimate
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def simulated(monkeypatch):
    """As with the table of the thresholds at hand."""
    monkeypatch.setattr(health, "SIMULATED", True)


def found(value, low=None, high=None, n=100):
    return Estimate(value, low, high, n, "test")


def test_nothing_is_fine_without_the_table_of_the_thresholds(monkeypatch):
    there = (ROOT / "tests/simulation/HEALTH.md").is_file()
    monkeypatch.undo()
    assert there == health.SIMULATED
    monkeypatch.setattr(health, "SIMULATED", False)
    assert health.bias(10.0, found(9.5)) == health.agreement(found(0.9, 0.85, 0.95), found(0.8)) == "caution"
    assert health.fragility([0.1], found(10.0, 8.0, 12.0)) == "caution"


def test_a_change_is_judged_by_the_half_width_of_the_distance():
    distance = found(10.0, 8.0, 12.0)
    assert [health.fragility([0.1, change], distance) for change in (0.9, -1.1, 3.9, -4.1)] == [
        "fine",
        "caution",
        "caution",
        "do not use",
    ]
    assert health.fragility([0.0], found(10.0)) == health.fragility([], distance) == "not assessable"


def test_bias_is_judged_by_its_share_of_the_plain_value():
    assert [health.bias(10.0, found(corrected)) for corrected in (9.5, 8.0, 5.0)] == ["fine", "caution", "do not use"]
    assert health.bias(10.0, found(None)) == "not assessable"


def test_without_the_training_set_nothing_is_fine():
    new, copied = np.full(100, 1.1), np.r_[np.zeros(3), np.full(97, 1.1)]
    assert health.memorisation(new, 55.0, is_training_set=True) == "fine"
    assert health.memorisation(new, 30.0, is_training_set=True) == "caution"
    assert health.memorisation(copied, 55.0, is_training_set=True) == "do not use"
    assert {health.memorisation(one, 55.0, is_training_set=False) for one in (new, copied)} == {"not assessable"}


def test_agreement_needs_to_be_surely_half_way_from_chance_to_raters():
    ceiling = found(0.8, 0.75, 0.85)
    cases = {(0.7, 0.66, 0.74): "fine", (0.7, 0.64, 0.76): "caution", (0.52, 0.4, 0.64): "caution"}
    cases[(0.4, 0.32, 0.48)] = "do not use"
    assert {case: health.agreement(found(*case), ceiling) for case in cases} == cases
    assert health.agreement(found(0.9, 0.85, 0.95), None) == "caution"  # what can be reached is not known
    assert health.agreement(found(0.9), ceiling) == "not assessable"


def test_a_panel_is_as_bad_as_its_worst_part():
    assert health.worst(["fine", "caution", "not assessable"]) == "caution"
    assert health.worst([]) == "not assessable" and health.worst(["fine", "fine"]) == "fine"


def test_a_copy_is_at_zero_also_where_the_training_set_holds_it_twice():
    assert health.copy_closeness([0.0, 1.0, 2.0, 1.0], [0.0, 2.0, 1.0, 0.0]).tolist() == [0.0, 0.5, 2.0, np.inf]


def tau_by_definition(x, y):
    concordant = discordant = tied_x = tied_y = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            concordant, discordant = concordant + (a * b > 0), discordant + (a * b < 0)
            tied_x, tied_y = tied_x + (a == 0), tied_y + (b == 0)
    pairs = len(x) * (len(x) - 1) / 2
    return (concordant - discordant) / np.sqrt((pairs - tied_x) * (pairs - tied_y))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-2, 2)), min_size=3, max_size=25))
def test_tau_b_is_its_definition_and_turns_with_its_sides(pairs):
    x, y = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    value = health.kendall_tau_b(x, y, np.arange(len(x)) // 3).value
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert value is None
    else:
        assert value == pytest.approx(tau_by_definition(x, y))
        assert health.kendall_tau_b(-x, y, np.arange(len(x)) // 3).value == pytest.approx(-value)
        assert health.kendall_tau_b(y, x, np.arange(len(x)) // 3).value == pytest.approx(value)


def test_taus_interval_is_the_jackknife_by_prompt_and_few_prompts_have_none():
    rng = np.random.default_rng(0)
    x, prompts = rng.normal(size=60), np.arange(60) // 3
    y = x + rng.normal(size=60)
    left = [tau_by_definition(x[prompts != one], y[prompts != one]) for one in range(20)]
    error = np.sqrt(19 / 20 * ((left - np.mean(left)) ** 2).sum())
    estimate = health.kendall_tau_b(x, y, prompts)
    assert estimate.high - estimate.value == pytest.approx(2.0930240544 * error, rel=1e-6)
    assert (estimate.n, estimate.prompts) == (60, 20)
    few = health.kendall_tau_b(x[:15], y[:15], prompts[:15])
    assert few.value is not None and few.low is None and "under 8 prompts" in few.note
