"""Which numbers of votes can stand behind a published column of rounded percentages?

Needs nothing but the percentages. What it names is a reconstruction, never "the votes": a column may fit many sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor

from evalkit.stats.proportion import sign_test


@dataclass(frozen=True)
class Fit:
    """Counts that round to the column at n votes, what is unaccounted for, p of the sign test of the first two."""

    n: int
    counts: tuple[int, ...]
    unaccounted: int
    p: float | None


@dataclass(frozen=True)
class Repair:
    """The smallest n at which the column adds up if the percentage in `cell` was misprinted."""

    cell: int
    fit: Fit


@dataclass(frozen=True)
class ColumnCheck:
    """`total` in percent; `adds_up`: whether rounding alone can explain its distance from 100.

    `fits` in order of n up to `bound`: exact ones (nothing unaccounted) where the column adds up, else those that leave
    votes over. `repairs`: one-cell repairs of a column that does not add up.
    """

    percentages: tuple[float, ...]
    total: float
    adds_up: bool
    bound: int
    fits: tuple[Fit, ...]
    repairs: tuple[Repair, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Every n that fits, once, in order."""
        return tuple(dict.fromkeys(fit.n for fit in self.fits))


def check_column(percentages: Sequence[float], *, decimals: int = 1, bound: int = 1000) -> ColumnCheck:
    """All n up to `bound` whose whole counts round to `percentages` (each to `decimals`, halves either way).

    The first two cells are wins and losses. A rounding of five cells can move the total by 5 x 0.05, no more.
    """
    if not percentages or not all(0 <= share <= 100 for share in percentages):
        raise ValueError(f"{list(percentages)}: percentages lie between 0 and 100, and there is one at least")
    total = sum(percentages)
    slack = len(percentages) * _half_step(decimals)
    adds_up = abs(total - 100) <= slack + 1e-9
    sizes = range(1, bound + 1)
    fits = tuple(fit for n in sizes for fit in _fits(percentages, n, decimals) if not (adds_up and fit.unaccounted))
    repairs = () if adds_up else _repairs(percentages, decimals, bound)
    return ColumnCheck(tuple(percentages), round(total, decimals), adds_up, bound, fits, repairs)


def _fits(percentages: Sequence[float], n: int, decimals: int) -> list[Fit]:
    cells = [_counts(share, n, decimals) for share in percentages]
    return [_fit(n, counts) for counts in product(*cells) if sum(counts) <= n]


def _repairs(percentages: Sequence[float], decimals: int, bound: int) -> tuple[Repair, ...]:
    """Drop one cell, fill it with what the others leave over."""
    found = (_repair(percentages, cell, decimals, bound) for cell in range(len(percentages)))
    return tuple(repair for repair in found if repair is not None)


def _repair(percentages: Sequence[float], cell: int, decimals: int, bound: int) -> Repair | None:
    others = [share for i, share in enumerate(percentages) if i != cell]
    for n in range(1, bound + 1):
        for fit in _fits(others, n, decimals):
            counts = (*fit.counts[:cell], fit.unaccounted, *fit.counts[cell:])
            return Repair(cell, _fit(n, counts))
    return None


def _counts(share: float, n: int, decimals: int) -> range:
    """Whole counts k with 100 k/n within half a step of `share`."""
    low, high = ((share + side * _half_step(decimals)) * n / 100 for side in (-1, 1))
    return range(max(0, ceil(low - 1e-9)), min(n, floor(high + 1e-9)) + 1)


def _fit(n: int, counts: tuple[int, ...]) -> Fit:
    wins, losses = (*counts, 0, 0)[:2]
    return Fit(n, counts, n - sum(counts), sign_test(wins, losses).p)


def _half_step(decimals: int) -> float:
    return 0.5 * 10.0**-decimals
