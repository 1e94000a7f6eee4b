"""Two questions answered by the same raters on the same pairs: is one answer the shadow of the other (halo)?

The two tests take each paired answer as independent and are named naive; Cramer's V is clustered like the headline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Codes, Floats, cluster_variance, clusters
from evalkit.stats.clustered import t_interval
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
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    choices: tuple[str, ...],
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    confidence: float = 0.95,
) -> Association:
    """Paired square table with Bowker's test, the Stuart-Maxwell test and Cramer's V; one entry per paired answer."""
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape:
        raise ValueError(f"{one.size} and {two.size} answers: the two questions must be answered in pairs")
    counts = np.array([[int(((one == a) & (two == b)).sum()) for b in choices] for a in choices], dtype=np.float64)
    if counts.sum() != one.size:
        raise ValueError(f"{one.size - int(counts.sum())} answers are not among {', '.join(choices)}")
    rows = tuple(tuple(int(count) for count in row) for row in counts)
    v = cramers_v(one, two, prompts, raters, confidence=confidence)
    return Association(choices, rows, bowker(counts), stuart_maxwell(counts), v)


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


def cramers_v(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Cramer's V = sqrt(phi^2/(k - 1)), k the smaller number of choices taken, phi^2 less its bias df/(n - 1).

    Bergsma (2013) takes the bias off; the interval is that of phi^2, by the delta method, clustered by prompt x rater.
    """
    groups = clusters(prompts, raters)
    shares, code_one, code_two = _shares(first, second)
    n, smaller = groups.prompt.size, min(shares.shape)
    bare = Estimate(
        None, None, None, n, f"Cramer's V, less bias, {groups.scope}", groups.prompts, groups.raters or None
    )
    if n < 2 or smaller < 2:
        return replace(bare, note="undefined because a question has one answer only, or none")
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    phi2 = float((shares**2 / np.outer(rows, columns)).sum()) - 1
    phi2 -= (rows.size - 1) * (columns.size - 1) / (n - 1)
    if groups.prompts < FEWEST_PROMPTS:
        return replace(bare, value=_v(phi2, smaller), note=f"under {FEWEST_PROMPTS} prompts: no interval")
    influence = _phi2_gradient(shares)[code_one, code_two]
    fit = cluster_variance((influence - influence.mean()) / n, groups)
    low, high = t_interval(phi2, sqrt(float(fit.variance[0])), float(fit.degrees_of_freedom[0]), confidence)
    return replace(bare, value=_v(phi2, smaller), low=_v(low, smaller), high=_v(high, smaller))


def _shares(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Floats, Codes, Codes]:
    """Share of each pair of answers that occur, and the answers' codes."""
    one, two = (np.unique(np.asarray(side), return_inverse=True)[1] for side in (first, second))
    shares = np.zeros((int(one.max(initial=-1)) + 1, int(two.max(initial=-1)) + 1))
    np.add.at(shares, (one, two), 1 / max(one.size, 1))
    return shares, one, two


def _phi2_gradient(shares: Floats) -> Floats:
    """Derivative of sum p_ij^2/(p_i p_j) by p_ij."""
    rows, columns = shares.sum(axis=1, keepdims=True), shares.sum(axis=0, keepdims=True)
    by_row = (shares**2 / columns).sum(axis=1, keepdims=True) / rows**2
    by_column = (shares**2 / rows).sum(axis=0, keepdims=True) / columns**2
    gradient: Floats = 2 * shares / (rows * columns) - by_row - by_column
    return gradient


def _v(phi2: float, smaller: int) -> float:
    return sqrt(min(1.0, max(0.0, phi2 / (smaller - 1))))
