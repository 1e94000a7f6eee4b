"""Two questions answered by the same raters on the same pairs: is one answer the shadow of the other (halo)?

The tests take each paired answer as independent (naive); what they say is exploratory where votes share prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from evalkit.stats.cluster_variance import Floats
from evalkit.stats.estimate import Estimate, SignificanceTest


@dataclass(frozen=True)
class Association:
    """`counts[i][j]`: answers `choices[i]` to the first question with `choices[j]` to the second."""

    choices: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    symmetry: SignificanceTest
    homogeneity: SignificanceTest
    cramers_v: Estimate


def association(
    first: npt.ArrayLike, second: npt.ArrayLike, choices: tuple[str, ...], *, confidence: float = 0.95
) -> Association:
    """Paired square table with Bowker's test, the Stuart-Maxwell test and Cramer's V."""
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape:
        raise ValueError(f"{one.size} and {two.size} answers: the two questions must be answered in pairs")
    counts = np.array([[int(((one == a) & (two == b)).sum()) for b in choices] for a in choices], dtype=np.float64)
    if counts.sum() != one.size:
        raise ValueError(f"{one.size - int(counts.sum())} answers are not among {', '.join(choices)}")
    rows = tuple(tuple(int(count) for count in row) for row in counts)
    return Association(choices, rows, bowker(counts), stuart_maxwell(counts), cramers_v(counts, confidence=confidence))


def bowker(counts: npt.ArrayLike) -> SignificanceTest:
    """Bowker's test (1948) that i,j is as frequent as j,i; df counts the pairs of cells not both empty."""
    table = np.asarray(counts, dtype=np.float64)
    upper = np.triu_indices(len(table), 1)
    difference, total = (table - table.T)[upper], (table + table.T)[upper]
    df, n, method = int((total > 0).sum()), int(table.sum()), "Bowker, naive"
    if df == 0:
        return SignificanceTest(None, n, method, note="undefined because every two answers are equal")
    statistic = float((difference[total > 0] ** 2 / total[total > 0]).sum())
    return SignificanceTest(float(stats.chi2.sf(statistic, df)), n, method, statistic, float(df))


def stuart_maxwell(counts: npt.ArrayLike) -> SignificanceTest:
    """Stuart (1955) and Maxwell (1970): are the shares of the choices the same for both questions?

    Choices that were never exchanged for another are left out: they cannot differ.
    """
    table = np.asarray(counts, dtype=np.float64)
    exchanged = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table) > 0
    n, method = int(table.sum()), "Stuart-Maxwell, naive"
    if not exchanged.any():
        return SignificanceTest(None, n, method, note="undefined because every two answers are equal")
    kept = table[np.ix_(exchanged, exchanged)]
    difference = kept.sum(axis=1) - kept.sum(axis=0)
    covariance = np.diag(kept.sum(axis=1) + kept.sum(axis=0)) - kept - kept.T
    df = int(np.linalg.matrix_rank(covariance))
    statistic = float(difference @ np.linalg.pinv(covariance) @ difference)
    return SignificanceTest(float(stats.chi2.sf(statistic, df)), n, method, statistic, float(df))


def cramers_v(counts: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Cramer's V (1946) with the interval of the noncentral chi-square (Steiger and Fouladi 1997). Naive."""
    table = np.asarray(counts, dtype=np.float64)
    table = table[np.ix_(table.sum(axis=1) > 0, table.sum(axis=0) > 0)]
    n, method = int(table.sum()), "Cramer's V, noncentral chi-square, naive"
    if min(table.shape) < 2:
        return Estimate(None, None, None, n, method, note="undefined because a question has one answer only")
    statistic, df = _chi_square(table), (table.shape[0] - 1) * (table.shape[1] - 1)
    scale = n * (min(table.shape) - 1)
    tail = (1 - confidence) / 2
    low, high = (_noncentrality(statistic, df, level) for level in (1 - tail, tail))
    value = sqrt(statistic / scale)
    return Estimate(value, min(value, sqrt(low / scale)), min(1.0, max(value, sqrt(high / scale))), n, method)


def _chi_square(table: Floats) -> float:
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def _noncentrality(statistic: float, df: int, probability: float) -> float:
    """The noncentrality under which a chi-square falls below `statistic` with `probability`, 0 if none does."""
    if stats.chi2.cdf(statistic, df) <= probability:
        return 0.0
    upper = statistic + 20 * sqrt(statistic + df) + 100
    return float(optimize.brentq(lambda nc: stats.ncx2.cdf(statistic, df, nc) - probability, 1e-9, upper))
