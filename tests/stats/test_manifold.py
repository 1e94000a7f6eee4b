"""Precision, recall, density, coverage against loops that follow the definitions, and what they must be."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from evalkit.stats import manifold
from evalkit.stats.manifold import neighbourhoods


def by_definition(x, y, k, within=operator.lt):
    def reach(rows):
        return [
            sorted(np.linalg.norm(row - other) for j, other in enumerate(rows) if j != i)[k - 1]
            for i, row in enumerate(rows)
        ]

    reach_x, reach_y = reach(x), reach(y)
    distance = [[np.linalg.norm(a - b) for b in y] for a in x]
    n, m = range(len(x)), range(len(y))
    return {
        "precision": [any(within(distance[i][j], reach_y[j]) for j in m) for i in n],
        "density": [sum(within(distance[i][j], reach_y[j]) for j in m) / k for i in n],
        "recall": [any(within(distance[i][j], reach_x[i]) for i in n) for j in m],
        "coverage": [any(within(distance[i][j], reach_y[j]) for i in n) for j in m],
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_to_the_definitions(k, monkeypatch):
    monkeypatch.setattr(manifold, "_ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(k)
    x, y = rng.normal(size=(20, 3)), rng.normal(0.4, 1.2, size=(30, 3))
    found = neighbourhoods(x, y, k)
    for name, expected in by_definition(x, y, k).items():
        assert getattr(found, name) == pytest.approx(np.array(expected, dtype=float)), name


@pytest.mark.parametrize(("within", "compare"), [("<", operator.lt), ("<=", operator.le)])
def test_both_conventions_by_their_definitions_where_rows_tie_and_coincide(within, compare):
    grid = (
        np.stack(np.meshgrid(range(5), range(5)), axis=-1).reshape(-1, 2).astype(float)
    )  # neighbours at equal distance
    x, y = np.concatenate([grid[:12], grid[:4]]), np.concatenate([grid, grid[10:14]])
    for k in (1, 2, 3):
        found = neighbourhoods(x, y, k, within)
        for name, expected in by_definition(x, y, k, compare).items():
            assert getattr(found, name) == pytest.approx(np.array(expected, dtype=float)), (name, k)
    assert neighbourhoods(x, y, 1, "<").recall.mean() < neighbourhoods(x, y, 1, "<=").recall.mean()


@given(seed=strategies.integers(0, 10_000), shift=strategies.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_turning_and_moving_both_sets_changes_nothing_and_swapping_swaps(seed, shift):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(shift, 1, (15, 4)), rng.normal(size=(18, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    found, moved = neighbourhoods(x, y), neighbourhoods(x @ turn + 3, y @ turn + 3)
    for name in ("precision", "density", "recall", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(moved, name))
    swapped = neighbourhoods(y, x)
    assert found.precision == pytest.approx(swapped.recall) and found.recall == pytest.approx(swapped.precision)


def test_far_sets_share_nothing_and_equal_sets_everything():
    x = np.random.default_rng(0).normal(size=(30, 4))
    far, same = neighbourhoods(x + 100, x), neighbourhoods(x, x)
    for name in ("precision", "density", "recall", "coverage"):
        assert getattr(far, name).mean() == 0
        assert getattr(same, name).mean() >= 1


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="more than 5"):
        neighbourhoods(np.zeros((5, 2)), np.zeros((50, 2)))
