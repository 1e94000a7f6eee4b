"""How a Frechet distance falls with the number of samples, FD(N), and where it would end: FD-infinity.

Chong and Forsyth 2020 (arXiv 1911.07023): the bias is linear in 1/N, so a straight line through FD(N) against 1/N
meets 1/N = 0 at the value of infinitely many samples. The line's usual standard error covers the truth less
often the more dimensions there are (.94 of simulated cases in 8, .88 in 32; tests/simulation/SET_METRICS.md), so no
interval is offered here; `frechet_interval` has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Codes, Floats
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments, frechet_distance_to, table

POINTS = 15
_SMALLEST_PART = 5  # the smallest subset is a fifth of all rows, or as many rows as dimensions
METHOD = "Frechet distance, line in 1/n to infinite n"


@dataclass(frozen=True)
class FrechetCurve:
    """FD(N) at sizes from small to all rows (the last), the fitted line's slope, and its end, FD-infinity."""

    sizes: npt.NDArray[np.intp]
    """rows in each subset"""
    values: Floats
    """Frechet distance of each subset to the whole reference"""
    slope: float | None
    """of the line in 1/N; the part of the value at N that is bias is about slope/N"""
    infinity: Estimate

    def fitted(self, size: float) -> float | None:
        """The line's value at N = `size`; None where no line was fitted."""
        if self.slope is None or self.infinity.value is None:
            return None
        return self.infinity.value + self.slope / size


def frechet_curve(
    x: npt.ArrayLike,
    reference: Moments,
    *,
    rng: np.random.Generator,
    prompts: npt.ArrayLike | None = None,
    points: int = POINTS,
) -> FrechetCurve:
    """FD(N) of random subsets of the rows of `x` (n, dimensions) to `reference`, evenly spaced in 1/N, and its end.

    Args:
        prompts: a label per row; rows of one prompt are drawn together. None: every row is its own.

    The line is fitted where the rows are at least twice as many as dimensions: below that FD(N) is not straight, and
    `infinity` holds no value but a sentence. The bias of a small reference set stays in all values.

    Raises:
        ValueError: fewer than two rows, or prompts that do not fit.
    """
    rows = table(x)
    labels = _codes(prompts, len(rows))
    straight = is_straight(*rows.shape)
    subsets = [_subset(labels, size, rng) for size in _sizes(len(rows), rows.shape[1] if straight else 2, points)]
    sizes = np.array([kept.size for kept in subsets])
    values = np.array([frechet_distance_to(rows, reference, kept) for kept in subsets])
    if not straight or np.unique(sizes).size < 3:
        return FrechetCurve(sizes, values, None, no_line(*rows.shape))
    slope, end = np.polyfit(1 / sizes, values, 1)
    note = f"no valid interval; {points} subsets of {sizes[0]} to {len(rows)} rows"
    return FrechetCurve(sizes, values, float(slope), Estimate(float(end), None, None, len(rows), METHOD, note=note))


def is_straight(n: int, dimensions: int) -> bool:
    """Whether FD(N) up to `n` rows is near enough to a line in 1/N to be drawn out."""
    return n >= 2 * dimensions


def no_line(n: int, dimensions: int) -> Estimate:
    """What stands for FD-infinity where there are too few rows for a line."""
    note = f"{n} rows in {dimensions} dimensions: the line in 1/n needs twice as many rows as dimensions"
    return Estimate(None, None, None, n, METHOD, note=note)


def _codes(prompts: npt.ArrayLike | None, n: int) -> Codes:
    if n < 2:
        raise ValueError(f"{n} feature rows: a Frechet distance needs two or more")
    if prompts is None:
        return np.arange(n)
    labels = np.asarray(prompts)
    if labels.shape != (n,):
        raise ValueError(f"{labels.size} prompts for {n} rows")
    return np.asarray(np.unique(labels, return_inverse=True)[1])


def _sizes(n: int, fewest: int, points: int) -> list[int]:
    """From small to n, evenly spaced in 1/N."""
    smallest = min(n, max(fewest, n // _SMALLEST_PART, 2))
    return [round(1 / inverse) for inverse in np.linspace(1 / smallest, 1 / n, points)]


def _subset(labels: Codes, size: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Rows of whole prompts, drawn at random until there are `size` of them or a few more."""
    order = rng.permutation(int(labels.max()) + 1)
    counts = np.bincount(labels)[order]
    taken = order[: int(np.searchsorted(np.cumsum(counts), size)) + 1]
    return np.flatnonzero(np.isin(labels, taken))
