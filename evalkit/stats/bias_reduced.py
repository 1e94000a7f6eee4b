"""Variance of least squares with few clusters: CR2, the bias-reduced sandwich, and its own degrees of freedom.

Bell and McCaffrey 2002 (Survey Methodology 28, 169-181); two ways as in Cameron, Gelbach and Miller 2011. The plain
sandwich is too small where clusters are few or weigh unequally, and so is t with G - 1 degrees of freedom.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Clusters, ClusterVariance, Codes, Floats

WHOLE = 1 - 1e-9
"""A cluster of this leverage decides a coefficient alone: it has no residual, and adds nothing (pseudo-inverse)."""


def bias_reduced(design: npt.ArrayLike, residuals: npt.ArrayLike, groups: Clusters) -> ClusterVariance:
    """Variance of each coefficient (columns of `design`), by prompt and by language at once, with its df.

    V = max(Vp, Vl, Vp + Vl - Vpl). Satterthwaite degrees of freedom of each way under independent errors (Bell and
    McCaffrey 2002); of the sum, from those of both ways, never under the smaller of the two.
    """
    x, e = np.asarray(design, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    by_prompt, by_language = (_one_way(x, e, *way) for way in _ways(groups))
    both = by_prompt.variance + by_language.variance - _by_cell(x, e, groups)
    first = by_prompt.variance >= by_language.variance
    larger = np.where(first, by_prompt.variance, by_language.variance)
    df = _of_the_sum(both, by_prompt, by_language)
    alone = np.where(first, by_prompt.degrees_of_freedom, by_language.degrees_of_freedom)
    return ClusterVariance(np.maximum(both, larger), np.where(both >= larger, df, alone))


def _ways(groups: Clusters) -> tuple[tuple[Codes, int], tuple[Codes, int]]:
    return (groups.prompt, groups.prompts), (groups.rater, groups.raters)


def _by_cell(x: Floats, e: Floats, groups: Clusters) -> Floats:
    """CR2 by prompt x language; where each has one row, that is HC2 (MacKinnon and White 1985)."""
    if groups.cells < e.size:
        return _one_way(x, e, groups.cell, groups.cells).variance
    terms = x @ np.linalg.inv(x.T @ x)
    left = 1 - (terms * x).sum(axis=1)
    kept = left > 1 - WHOLE
    return np.asarray((terms[kept] ** 2 * (e[kept] ** 2 / left[kept])[:, None]).sum(axis=0), dtype=np.float64)


def _of_the_sum(both: Floats, one: ClusterVariance, other: ClusterVariance) -> Floats:
    spread = one.variance**2 / one.degrees_of_freedom + other.variance**2 / other.degrees_of_freedom
    found = np.divide(both**2, spread, out=np.zeros_like(both), where=spread > 0)
    return np.maximum(found, np.minimum(one.degrees_of_freedom, other.degrees_of_freedom))


def _one_way(x: Floats, e: Floats, code: Codes, count: int) -> ClusterVariance:
    """CR2 of one way of clustering: residuals of cluster g are weighted by (I - H_gg)^(-1/2)."""
    bread = np.asarray(np.linalg.inv(x.T @ x), dtype=np.float64)
    order = np.argsort(code, kind="stable")
    parts = np.split(order, np.searchsorted(code[order], np.arange(1, count)))
    terms = [_adjusted(x[part], bread) for part in parts]
    sums = np.array([term.T @ e[part] for term, part in zip(terms, parts, strict=True)])
    own = np.array([(term**2).sum(axis=0) for term in terms])
    through = np.array([x[part].T @ term for term, part in zip(terms, parts, strict=True)])
    df = [_degrees(own[:, j], through[:, :, j], bread) for j in range(x.shape[1])]
    return ClusterVariance((sums**2).sum(axis=0), np.array(df))


def _adjusted(rows: Floats, bread: Floats) -> Floats:
    """(I - H_gg)^(-1/2) X_g (X'X)^-1 by the singular values of X_g (X'X)^(-1/2), whose squares H_gg has."""
    values, vectors = np.linalg.eigh(bread)
    root = (vectors * np.sqrt(values)) @ vectors.T
    left, singular, right = np.linalg.svd(rows @ root, full_matrices=False)
    kept = singular**2 < WHOLE
    weight = np.where(kept, singular, 0.0) / np.sqrt(1 - np.where(kept, singular, 0.0) ** 2)
    return np.asarray((left * weight) @ right @ root, dtype=np.float64)


def _degrees(own: Floats, through: Floats, bread: Floats) -> float:
    """tr(M)^2 / tr(M^2), where M is the covariance of the clusters' terms under independent errors."""
    covariance = np.diag(own) - through @ bread @ through.T
    squares = float((covariance**2).sum())
    return float(np.trace(covariance) ** 2 / squares) if squares > 0 else 1.0
