"""Which numbers of votes can stand behind a published column of rounded percentages?

Needs nothing but the percentages. What it names is a reconstruction, never "the votes": a column may fit many sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, prod

import numpy as np
from scipy import special

from evalkit.stats.proportion import sign_test


@dataclass(frozen=True)
class Fit:
    """Whole counts that round to the column at n votes, what is unaccounted for, and the sign test of the first two.

    `counts` are the nearest to the printed shares; with few decimals other counts round to them too (`only` is False),
    and `p_low`, `p_high` are the ends of p over all of them. No p for a column of one cell.
    """

    n: int
    counts: tuple[int, ...]
    unaccounted: int
    only: bool
    p: float | None
    p_low: float | None
    p_high: float | None


@dataclass(frozen=True)
class Repair:
    """The smallest n at which the column adds up if the percentage in `cell` was misprinted."""

    cell: int
    fit: Fit


@dataclass(frozen=True)
class ColumnCheck:
    """`total` in percent; `adds_up`: whether rounding alone can explain its distance from 100.

    `fits`: one per n, in order, up to `bound`: exact ones (nothing unaccounted) where the column adds up, else those
    that leave votes over. `repairs`: one-cell repairs of a column of several cells that does not
    add up.
    """

    percentages: tuple[float, ...]
    total: float
    adds_up: bool
    bound: int
    fits: tuple[Fit, ...]
    repairs: tuple[Repair, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Every n that fits, in order."""
        return tuple(fit.n for fit in self.fits)


def check_column(percentages: Sequence[float], *, decimals: int = 1, bound: int = 1000) -> ColumnCheck:
    """All n up to `bound` whose whole counts round to `percentages` (each to `decimals`, halves either way).

    The first two cells are wins and losses. A rounding of five cells can move the total by 5 x 0.05, no more.
    """
    if not percentages or not all(0 <= share <= 100 for share in percentages):
        raise ValueError(f"{list(percentages)}: percentages lie between 0 and 100, and there is one at least")
    total = sum(percentages)
    slack = len(percentages) * _half_step(decimals)
    adds_up = abs(total - 100) <= slack + 1e-9
    found = (_fit(percentages, n, decimals, exact=adds_up) for n in range(1, bound + 1))
    repairs = () if adds_up or len(percentages) == 1 else _repairs(percentages, decimals, bound)
    fits = tuple(fit for fit in found if fit is not None)
    return ColumnCheck(tuple(percentages), round(total, decimals), adds_up, bound, fits, repairs)


def _fit(percentages: Sequence[float], n: int, decimals: int, *, exact: bool) -> Fit | None:
    cells = [_counts(share, n, decimals) for share in percentages]
    lowest = sum(cell.start for cell in cells)
    if not all(cells) or lowest > n or (exact and sum(cell[-1] for cell in cells) < n):
        return None
    counts = _nearest(percentages, cells, n, exact=exact)
    only = (exact and lowest == n) or prod(map(len, cells)) == 1 or (exact and sum(c[-1] for c in cells) == n)
    return _tested(n, counts, only, _p_ends(cells, n, exact=exact))


def _repairs(percentages: Sequence[float], decimals: int, bound: int) -> tuple[Repair, ...]:
    """Drop one cell, fill it with what the others leave over."""
    found = (_repair(percentages, cell, decimals, bound) for cell in range(len(percentages)))
    return tuple(repair for repair in found if repair is not None)


def _repair(percentages: Sequence[float], cell: int, decimals: int, bound: int) -> Repair | None:
    others = [share for i, share in enumerate(percentages) if i != cell]
    for n in range(1, bound + 1):
        fit = _fit(others, n, decimals, exact=False)
        if fit is not None:
            counts = (*fit.counts[:cell], fit.unaccounted, *fit.counts[cell:])
            return Repair(cell, _tested(n, counts, fit.only, None))
    return None


def _counts(share: float, n: int, decimals: int) -> range:
    """Whole counts k with 100 k/n within half a step of `share`."""
    low, high = ((share + side * _half_step(decimals)) * n / 100 for side in (-1, 1))
    return range(max(0, ceil(low - 1e-9)), min(n, floor(high + 1e-9)) + 1)


def _nearest(percentages: Sequence[float], cells: Sequence[range], n: int, *, exact: bool) -> tuple[int, ...]:
    """Counts within `cells`, each the nearest to its share, then moved one by one until they fit n."""
    shares = [share * n / 100 for share in percentages]
    counts = [min(max(round(share), cell.start), cell[-1]) for share, cell in zip(shares, cells, strict=True)]
    while (over := sum(counts) - n) > 0 or (exact and over < 0):
        step = -1 if over > 0 else 1
        movable = [i for i, cell in enumerate(cells) if counts[i] + step in cell]
        cheapest = min(movable, key=lambda i: abs(counts[i] + step - shares[i]) - abs(counts[i] - shares[i]))
        counts[cheapest] += step
    return tuple(counts)


def _p_ends(cells: Sequence[range], n: int, *, exact: bool) -> tuple[float, float] | None:
    """Smallest and largest p of the sign test over every way to fill the cells."""
    if len(cells) < 2:
        return None
    wins, losses = np.meshgrid(np.asarray(cells[0]), np.asarray(cells[1]))
    left = n - wins - losses
    possible = left >= sum(cell.start for cell in cells[2:])
    if exact:
        possible &= left <= sum(cell[-1] for cell in cells[2:])
    wins, losses = wins[possible], losses[possible]
    p = np.minimum(1, 2 * special.bdtr(np.minimum(wins, losses), wins + losses, 0.5))
    return float(p.min()), float(p.max())


def _tested(n: int, counts: tuple[int, ...], only: bool, ends: tuple[float, float] | None) -> Fit:
    p = sign_test(counts[0], counts[1]).p if len(counts) > 1 else None
    low, high = ends if ends is not None else (p, p)
    return Fit(n, counts, n - sum(counts), only, p, low, high)


def _half_step(decimals: int) -> float:
    return 0.5 * 10.0**-decimals
