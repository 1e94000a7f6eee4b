"""Frechet distance of two Gaussians or two sets of features, in float64, and never by `scipy.linalg.sqrtm`.

|mu1 - mu2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2) (Dowson and Landau 1982; Heusel et al. 2017). On the
Inception features of the paper it is FID; on any other network it has another name. It is biased upwards in 1/n.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from evalkit.stats.cluster_variance import Floats


@dataclass(frozen=True)
class Moments:
    """Mean (dimensions,) and covariance (dimensions, dimensions; ddof 1) of `n` feature rows."""

    mean: Floats
    covariance: Floats
    n: int


def moments(batches: Iterable[npt.ArrayLike]) -> Moments:
    """Mean and covariance of rows that come in batches (rows, dimensions), in float64, seen once.

    Chan, Golub and LeVeque (1983): each batch is centred before it is squared, so a large mean costs no digits.
    """
    n, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for batch in batches:
        rows = _rows(batch)
        if not len(rows):
            continue
        own_mean = rows.mean(axis=0)
        centred = rows - own_mean
        shift = own_mean - mean if n else np.zeros_like(own_mean)
        total = n + len(rows)
        scatter = centred.T @ centred + (scatter + np.outer(shift, shift) * (n * len(rows) / total) if n else 0)
        mean = mean + shift * (len(rows) / total) if n else own_mean
        n = total
    if n < 2:
        raise ValueError(f"{n} feature rows: a covariance needs two or more")
    return Moments(mean, scatter / (n - 1), n)


def frechet_distance(
    mean_1: npt.ArrayLike, covariance_1: npt.ArrayLike, mean_2: npt.ArrayLike, covariance_2: npt.ArrayLike
) -> float:
    """Frechet distance of two Gaussians; never negative.

    The trace of the root is the sum of square roots of the eigenvalues of S1 S2 (LAPACK potrf, sygst, syevd).
    A covariance that is not positive definite takes two symmetric eigendecompositions instead.
    """
    mu_1, mu_2 = (np.asarray(mean, dtype=np.float64) for mean in (mean_1, mean_2))
    sigma_1, sigma_2 = (np.asarray(sigma, dtype=np.float64) for sigma in (covariance_1, covariance_2))
    if not (mu_1.shape == mu_2.shape and sigma_1.shape == sigma_2.shape == mu_1.shape * 2):
        raise ValueError(
            f"means {mu_1.shape}, {mu_2.shape} and covariances {sigma_1.shape}, {sigma_2.shape} do not fit"
        )
    root = _trace_of_root(sigma_1, sigma_2)
    return _distance(mu_1 - mu_2, float(np.trace(sigma_1) + np.trace(sigma_2)), root)


def frechet_distance_from_features(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Frechet distance of the rows of `x` and `y`, shapes (n, dimensions) and (m, dimensions), n and m >= 2.

    With no more rows than dimensions on either side the covariances have no full rank; the trace of the root is then
    the nuclear norm of Xc Yc' / sqrt((n-1)(m-1)), which needs no covariance at all.
    """
    rows_x, rows_y = _rows(x), _rows(y)
    if min(len(rows_x), len(rows_y)) < 2:
        raise ValueError(f"{len(rows_x)} and {len(rows_y)} feature rows: a Frechet distance needs two or more of each")
    if rows_x.shape[1] != rows_y.shape[1]:
        raise ValueError(f"features have {rows_x.shape[1]} and {rows_y.shape[1]} dimensions")
    if min(len(rows_x), len(rows_y)) > rows_x.shape[1]:
        one, two = moments([rows_x]), moments([rows_y])
        return frechet_distance(one.mean, one.covariance, two.mean, two.covariance)
    return _gram_distance(rows_x, rows_y)


def _gram_distance(x: Floats, y: Floats) -> float:
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    unit_x, unit_y = ((rows - mean) / np.sqrt(len(rows) - 1) for rows, mean in ((x, mean_x), (y, mean_y)))
    root = float(linalg.svdvals(unit_x @ unit_y.T).sum())
    return _distance(mean_x - mean_y, float((unit_x**2).sum() + (unit_y**2).sum()), root)


def _trace_of_root(sigma_1: Floats, sigma_2: Floats) -> float:
    """Tr (S1 S2)^(1/2): with S2 = L L', the eigenvalues of L' S1 L."""
    potrf, sygst = linalg.get_lapack_funcs(("potrf", "sygst"), (sigma_1, sigma_2))
    factor, failed = potrf(sigma_2, lower=True, clean=True)
    if failed or not _well_conditioned(factor):
        return _trace_of_root_by_eigenvectors(sigma_1, sigma_2)
    product, failed = sygst(sigma_1, factor, itype=2, lower=True)
    if failed:
        raise ValueError(f"LAPACK sygst refused argument {-failed}")
    return float(np.sqrt(np.maximum(linalg.eigvalsh(product, lower=True, check_finite=False), 0)).sum())


def _well_conditioned(factor: Floats) -> bool:
    """A pivot near rounding means that the factor, though LAPACK gave one, has few true digits."""
    pivots = np.abs(np.diag(factor))
    return bool(pivots.min() > 1e-6 * pivots.max())


def _trace_of_root_by_eigenvectors(sigma_1: Floats, sigma_2: Floats) -> float:
    """Tr (R S1 R)^(1/2), R = S2^(1/2): rank-deficient covariances welcome."""
    values, vectors = linalg.eigh(sigma_2)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return float(np.sqrt(np.maximum(linalg.eigvalsh(root @ sigma_1 @ root), 0)).sum())


def _distance(gap: Floats, traces: float, root: float) -> float:
    return max(0.0, float(gap @ gap) + traces - 2 * root)


def _rows(features: npt.ArrayLike) -> Floats:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"features have shape {rows.shape}, (rows, dimensions) is needed")
    if not np.isfinite(rows).all():
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return rows
