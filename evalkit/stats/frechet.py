"""Frechet distance of two Gaussians or two sets of features, in float64, and never by `scipy.linalg.sqrtm`.

|mu1 - mu2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2) (Dowson and Landau 1982; Heusel et al. 2017). On the
Inception features of the paper it is FID; on any other network it has another name. It is biased upwards in 1/n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from evalkit.stats.cluster_variance import Floats

_ROWS_AT_ONCE, _COLUMNS_AT_ONCE = 1024, 256
Rows = npt.NDArray[np.generic]
"""Feature rows (n, dimensions) of any number type, a memory map perhaps."""


@dataclass(frozen=True)
class Moments:
    """Mean (dimensions,) and covariance (dimensions, dimensions; ddof 1) of `n` feature rows."""

    mean: Floats
    covariance: Floats
    n: int


def moments(batches: Iterable[npt.ArrayLike]) -> Moments:
    """Mean and covariance of rows that come in batches (rows, dimensions), in float64, seen once.

    Raises:
        ValueError: fewer than two rows, or one with NaN or infinite numbers.
    """
    n, mean, scatter = scatter_of(batches)
    if n < 2:
        raise ValueError(f"{n} feature rows: a covariance needs two or more")
    scatter /= n - 1
    return Moments(mean, scatter, n)


def scatter_of(batches: Iterable[npt.ArrayLike]) -> tuple[int, Floats, Floats]:
    """Number, mean, and sums of squares and products about the mean (dimensions, dimensions) of rows in batches.

    The first batch's mean is taken off all rows, so a large mean costs no digits (Chan, Golub, LeVeque 1983: shifted
    data); squares go to one triangle in place (BLAS syrk), so memory is one batch and one matrix.
    """
    n, pivot = 0, np.zeros(0)
    total, squares, buffer = np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))
    for rows in filter(len, map(table, batches)):
        if not n:
            pivot = rows.mean(axis=0, dtype=np.float64)
            total, squares = np.zeros_like(pivot), np.zeros(pivot.shape * 2, order="F")
        if len(buffer) < len(rows):
            buffer = np.empty((len(rows), pivot.size))
        shifted = np.subtract(rows, pivot, out=buffer[: len(rows)])
        total += shifted.sum(axis=0)
        squares = linalg.blas.dsyrk(1.0, shifted.T, beta=1.0, c=squares, overwrite_c=True)
        n += len(rows)
    if not np.isfinite(total).all():  # NaN and infinity stay in a sum
        raise ValueError(_MISSING)
    if n:
        squares = linalg.blas.dsyr(-1.0 / n, total, a=squares, overwrite_a=True)
    return n, pivot + total / max(n, 1), _mirrored(squares)


def _mirrored(upper: Floats) -> Floats:
    """The symmetric matrix of an upper triangle, in place; a panel at a time, which a processor's cache can hold."""
    for start in range(0, len(upper), _COLUMNS_AT_ONCE):
        panel, below = slice(start, start + _COLUMNS_AT_ONCE), slice(start + _COLUMNS_AT_ONCE, None)
        upper[below, panel] = upper[panel, below].T
        square = np.triu(upper[panel, panel])
        upper[panel, panel] = square + np.triu(square, 1).T
    return upper


def frechet_distance(
    mean_1: npt.ArrayLike, covariance_1: npt.ArrayLike, mean_2: npt.ArrayLike, covariance_2: npt.ArrayLike
) -> float:
    """Frechet distance of two Gaussians; never negative.

    The trace of the root is the sum of square roots of the eigenvalues of S1 S2 (LAPACK potrf, sygst, syevd).
    A covariance that is not positive definite takes two symmetric eigendecompositions instead.

    Raises:
        ValueError: shapes that do not fit, NaN or infinite numbers, a covariance that is not symmetric.
    """
    mu_1, mu_2 = (np.asarray(mean, dtype=np.float64) for mean in (mean_1, mean_2))
    sigma_1, sigma_2 = (np.asarray(sigma, dtype=np.float64) for sigma in (covariance_1, covariance_2))
    if not (mu_1.shape == mu_2.shape and sigma_1.shape == sigma_2.shape == mu_1.shape * 2):
        raise ValueError(
            f"means {mu_1.shape}, {mu_2.shape} and covariances {sigma_1.shape}, {sigma_2.shape} do not fit"
        )
    for numbers in (mu_1, mu_2, sigma_1, sigma_2):
        if not np.isfinite(numbers).all():
            raise ValueError("a mean or a covariance holds NaN or infinite numbers")
    for sigma in (sigma_1, sigma_2):
        if np.abs(sigma - sigma.T).max(initial=0) > 1e-6 * np.abs(sigma).max(initial=0):
            raise ValueError("a covariance is not symmetric")
    return _between(mu_1, sigma_1, mu_2, sigma_2)


def frechet_distance_from_features(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Frechet distance of the rows of `x` and `y`, shapes (n, dimensions) and (m, dimensions), n and m >= 2.

    With no more rows than dimensions on one side its covariance has no full rank; the trace of the root is then a
    nuclear norm, which needs no covariance of that side (see `frechet_distance_to`).
    """
    rows_x, rows_y = table(x), table(y)
    if min(len(rows_x), len(rows_y)) < 2:
        raise ValueError(f"{len(rows_x)} and {len(rows_y)} feature rows: a Frechet distance needs two or more of each")
    if rows_x.shape[1] != rows_y.shape[1]:
        raise ValueError(f"features have {rows_x.shape[1]} and {rows_y.shape[1]} dimensions")
    few, many = sorted((rows_x, rows_y), key=len)
    if len(many) > many.shape[1]:
        return frechet_distance_to(few, moments(blocks(many)))
    own = _rows(many)
    return _thin_distance(_rows(few), own.mean(axis=0), _unit(own).T)


def frechet_distance_to(x: npt.ArrayLike, reference: Moments, kept: npt.NDArray[np.intp] | None = None) -> float:
    """Frechet distance of the rows of `x`, shape (n, dimensions), n >= 2, to a set of which only the moments are kept.

    Args: `kept`: of these rows only. With no more of them than dimensions: the sum of singular values of
    Xc R / sqrt(n-1), R R' = S of the reference.
    """
    rows = table(x)
    if (len(rows) if kept is None else kept.size) > rows.shape[1]:
        own = moments(blocks(rows, kept))
        return _between(own.mean, own.covariance, reference.mean, reference.covariance)
    rows = rows if kept is None else rows[kept]
    if len(rows) < 2 or rows.shape[1:] != reference.mean.shape:
        raise ValueError(f"features {rows.shape} against {reference.mean.size} dimensions: two rows or more are needed")
    return _thin_distance(_rows(rows), reference.mean, _root(reference.covariance))


def _between(mean_1: Floats, sigma_1: Floats, mean_2: Floats, sigma_2: Floats) -> float:
    root = _trace_of_root(sigma_1, sigma_2)
    return _distance(mean_1 - mean_2, float(np.trace(sigma_1) + np.trace(sigma_2)), root)


def _thin_distance(x: Floats, mean: Floats, root: Floats) -> float:
    """Distance of rows to the Gaussian of this mean and of the covariance root @ root.T."""
    unit = _unit(x)
    trace = float(linalg.svdvals(unit @ root, overwrite_a=True, check_finite=False).sum())
    return _distance(x.mean(axis=0) - mean, float((unit**2).sum() + (root**2).sum()), trace)


def _unit(rows: Floats) -> Floats:
    """Rows whose sum of squares is the covariance."""
    return np.asarray((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1))


def _root(sigma: Floats) -> Floats:
    """R with R R' = sigma: the Cholesky factor, or eigenvectors where there is none."""
    factor = _cholesky(sigma)
    if factor is not None:
        return factor
    values, vectors = linalg.eigh(sigma, check_finite=False)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _trace_of_root(sigma_1: Floats, sigma_2: Floats) -> float:
    """Tr (S1 S2)^(1/2): with S2 = L L', the eigenvalues of L' S1 L."""
    factor = _cholesky(sigma_2)
    if factor is None:
        return _trace_of_root_by_eigenvectors(sigma_1, sigma_2)
    product, failed = linalg.get_lapack_funcs("sygst", (sigma_1,))(sigma_1.T, factor, itype=2, lower=True)
    if failed:
        raise ValueError(f"LAPACK sygst refused argument {-failed}")
    values = linalg.eigvalsh(product, lower=True, overwrite_a=True, check_finite=False)
    return float(np.sqrt(np.maximum(values, 0)).sum())


def _cholesky(sigma: Floats) -> Floats | None:
    """L with L L' = sigma; None where LAPACK finds no such factor, or one with few true digits (a pivot near 0)."""
    factor, failed = linalg.get_lapack_funcs("potrf", (sigma,))(sigma.T, lower=True, clean=True)
    if failed:
        return None
    pivots = np.abs(np.diag(factor))
    return np.asarray(factor) if pivots.min() > 1e-6 * pivots.max() else None


def _trace_of_root_by_eigenvectors(sigma_1: Floats, sigma_2: Floats) -> float:
    """Sum of singular values of R1' R2: rank-deficient covariances welcome, and no digits are lost by squaring."""
    roots = []
    for sigma in (sigma_1, sigma_2):
        values, vectors = linalg.eigh(sigma, check_finite=False)
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))
    return float(linalg.svdvals(roots[0].T @ roots[1], overwrite_a=True, check_finite=False).sum())


def _distance(gap: Floats, traces: float, root: float) -> float:
    return max(0.0, float(gap @ gap) + traces - 2 * root)


def table(features: npt.ArrayLike) -> Rows:
    """Rows of any number type, a memory map as it is."""
    rows = np.asanyarray(features)
    if rows.ndim != 2:
        raise ValueError(f"features have shape {rows.shape}, (rows, dimensions) is needed")
    return rows


def blocks(rows: Rows, kept: npt.NDArray[np.intp] | None = None) -> Iterator[Rows]:
    """Some rows at a time, so that memory does not grow with their number; `kept`: only these."""
    starts = range(0, len(rows) if kept is None else kept.size, _ROWS_AT_ONCE)
    parts = (slice(start, start + _ROWS_AT_ONCE) for start in starts)
    return (rows[part] if kept is None else rows[kept[part]] for part in parts)


def _rows(features: npt.ArrayLike) -> Floats:
    rows = np.asarray(table(features), dtype=np.float64)
    if not np.isfinite(rows).all():
        raise ValueError(_MISSING)
    return rows


_MISSING = "a feature is missing (NaN or infinite): list and leave out its image first"
