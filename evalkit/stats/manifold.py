"""Precision, recall, density and coverage of one feature set against a reference: who lies in whose neighbourhood.

A neighbourhood is a ball around a row that reaches to its k-th nearest other row of the same set. "Within" is `<` in
the public code of Naeem, Oh, Uh, Choi, Yoo 2020 (arXiv 2002.09797), the default here, and `<=` in that of Kynkaanniemi,
Karras, Laine, Lehtinen, Aila 2019 (arXiv 1904.06991), who take k = 3: the same unless rows coincide or tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Floats

NEIGHBOURS = 5
Within = Literal["<", "<="]
_ROWS_AT_ONCE = 1024
COINCIDENT = 1e-12
"""Squared distance, over the rows' squared lengths, that is rounding of two equal rows."""


@dataclass(frozen=True)
class Neighbourhoods:
    """Per row of `x` (n,) and per row of the reference (m,); the mean of each is the metric of its name."""

    precision: Floats
    """1 where the row of `x` lies in any reference ball"""
    density: Floats
    """reference balls around the row of `x`, over k; may exceed 1"""
    recall: Floats
    """1 where the reference row lies in any ball of `x`"""
    coverage: Floats
    """1 where the reference row has any row of `x` in its ball"""


def neighbourhoods(
    x: npt.ArrayLike, reference: npt.ArrayLike, k: int = NEIGHBOURS, within: Within = "<"
) -> Neighbourhoods:
    """All four at once, from rows (n, d) and (m, d), Euclidean distance. Needs more than k rows on both sides.

    Args:
        within: whether a row at a ball's very edge is outside (`<`) or inside (`<=`).

    Raises:
        ValueError: too few rows for k.
    """
    inner = np.less if within == "<" else np.less_equal
    rows, base = np.asarray(x, dtype=np.float64), np.array(reference, dtype=np.float64)  # a copy: two sets, not one
    if min(len(rows), len(base)) <= k:
        raise ValueError(f"{len(rows)} and {len(base)} rows: more than {k} of each are needed")
    own_reach, base_reach = _reach(rows, k), _reach(base, k)
    inside = np.zeros(len(rows))
    recall, coverage = np.zeros(len(base), dtype=bool), np.zeros(len(base), dtype=bool)
    for part, squares in squared_distance_blocks(rows, base):
        in_base_ball = inner(squares, base_reach)
        inside[part] = in_base_ball.sum(axis=1)
        coverage |= in_base_ball.any(axis=0)
        recall |= inner(squares, own_reach[part, None]).any(axis=0)
    return Neighbourhoods((inside > 0).astype(float), inside / k, recall.astype(float), coverage.astype(float))


def _reach(rows: Floats, k: int) -> Floats:
    """Squared distance of each row to its k-th nearest other row."""
    reach = np.empty(len(rows))
    for part, squares in squared_distance_blocks(rows, rows):
        reach[part] = np.partition(squares, k, axis=1)[:, k]  # the row itself is the nearest, at distance 0
    return reach


def squared_distance_blocks(x: Floats, y: Floats) -> Iterator[tuple[slice, Floats]]:
    """Squared Euclidean distances of some rows of `x` to all of `y`; -1 of a row to itself where `x` is `y`."""
    norms = (y**2).sum(axis=1)
    for start in range(0, len(x), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        lengths = (x[part] ** 2).sum(axis=1)[:, None] + norms
        squares = lengths - 2 * x[part] @ y.T
        squares[squares < COINCIDENT * lengths] = 0
        if x is y:
            np.fill_diagonal(squares[:, start:], -1.0)
        yield part, squares
