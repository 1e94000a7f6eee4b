"""Paired answers to two questions, against statsmodels' square tables and scipy."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats.contingency import association as scipy_association
from statsmodels.stats.contingency_tables import SquareTable

from evalkit.stats.association import association, bowker, cramers_v, stuart_maxwell

CHOICES = ("a", "b", "tie", "neither")
tables = st.lists(st.integers(0, 30), min_size=16, max_size=16).map(lambda cells: np.array(cells).reshape(4, 4))


@given(table=tables)
def test_bowker_and_stuart_maxwell_are_those_of_statsmodels(table: np.ndarray) -> None:
    assume(((table + table.T)[np.triu_indices(4, 1)] > 0).all())
    theirs = SquareTable(table.astype(float), shift_zeros=False)
    symmetry, homogeneity = theirs.symmetry(), theirs.homogeneity()
    assert (bowker(table).statistic, bowker(table).p) == pytest.approx((symmetry.statistic, symmetry.pvalue))
    assert stuart_maxwell(table).statistic == pytest.approx(homogeneity.statistic)
    assert stuart_maxwell(table).p == pytest.approx(homogeneity.pvalue)


def answers(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices(table.shape)
    return tuple(np.repeat(side.ravel(), table.ravel().astype(int)) for side in (rows, columns))


@given(table=tables)
def test_cramers_v_is_that_of_scipy_less_its_bias(table: np.ndarray) -> None:
    assume((table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all())
    n = int(table.sum())
    v = cramers_v(*answers(table), np.arange(n), None)
    biased = scipy_association(table, method="cramer")
    assert v.value == pytest.approx(np.sqrt(max(0, biased**2 - 3 / (n - 1))), abs=1e-9)
    assert v.low is None or 0 <= v.low <= v.value <= v.high <= 1


@given(table=tables)
def test_swapping_the_questions_changes_no_p(table: np.ndarray) -> None:
    assume(table.sum() > 0)
    assert bowker(table.T).p == bowker(table).p
    one, other = stuart_maxwell(table).p, stuart_maxwell(table.T).p
    assert other == (one if one is None else pytest.approx(one))


def test_a_choice_nobody_exchanged_is_left_out() -> None:
    table = np.zeros((4, 4))
    table[:3, :3] = [[9, 4, 2], [1, 8, 5], [3, 2, 7]]
    table[3, 3] = 6
    smaller = SquareTable(table[:3, :3], shift_zeros=False)
    assert stuart_maxwell(table).p == pytest.approx(smaller.homogeneity().pvalue)
    assert bowker(table).p == pytest.approx(smaller.symmetry().pvalue)


def test_equal_answers_are_undefined_not_significant() -> None:
    table = np.diag([5, 6, 7, 0])
    assert bowker(table).p is None and stuart_maxwell(table).p is None
    assert cramers_v(["a"] * 20, ["a"] * 20, np.arange(20), None).value is None
    assert cramers_v([], [], [], []).value is None


def test_a_planted_halo_is_found_and_independence_is_not() -> None:
    rng = np.random.default_rng(0)
    first, fresh = rng.choice(CHOICES, (2, 400))
    halo = np.where(rng.random(400) < 0.5, first, fresh)
    prompts, raters = np.arange(400) % 40, np.arange(400) // 40
    assert association(first, halo, CHOICES, prompts, raters).cramers_v.low > 0.3
    assert association(first, fresh, CHOICES, prompts, raters).cramers_v.low < 0.05


@pytest.mark.parametrize("truth", [0.1, 0.3, 0.6])
def test_cramers_v_interval_covers_the_truth(truth: float) -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(400):
        first, fresh = rng.integers(0, 4, (2, 300))
        v = cramers_v(first, np.where(rng.random(300) < truth, first, fresh), np.arange(300) % 30, np.arange(300) // 30)
        hits += v.low <= truth <= v.high
    assert hits / 400 > 0.92


def test_unpaired_or_unknown_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="in pairs"):
        association(["a"], ["a", "b"], CHOICES, [0], None)
    with pytest.raises(ValueError, match="1 answers are not among"):
        association(["a", "?"], ["a", "b"], CHOICES, [0, 1], None)
