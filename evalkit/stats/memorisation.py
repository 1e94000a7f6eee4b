"""Does a set of samples repeat its training set? Nearest neighbours, MiFID and AuthPct, from feature rows.

All of it speaks of memorisation only where `training` is what the model was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Floats
from evalkit.stats.manifold import squared_distance_blocks

COPY_DISTANCE = 0.1
"""Cosine distance under which a set counts as memorised: the value of the Kaggle contest and of torchmetrics."""
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Nearest:
    """For each sample the row of the training set that is nearest, and how far it is (Euclidean)."""

    index: npt.NDArray[np.intp]
    distance: Floats


def nearest(x: npt.ArrayLike, training: npt.ArrayLike) -> Nearest:
    """Nearest row of `training` (m, d) for each row of `x` (n, d)."""
    rows, base = _pair(x, training)
    index = np.concatenate([block.argmin(axis=1) for _, block in squared_distance_blocks(rows, base)])
    return Nearest(index, _lengths(rows - base[index]))


def authentic(x: npt.ArrayLike, training: npt.ArrayLike) -> Floats:
    """1 for each sample (n,) that is no copy, else 0; 100 times the mean is AuthPct.

    A sample is authentic if it is farther from its nearest training row than that row is from its own nearest other
    training row (Alaa, van Breugel, Saveliev, van der Schaar 2022, arXiv 2102.08921; as AuthPct: Stein et al. 2023,
    arXiv 2306.04675). Samples from the training set's own population give about one half.

    Raises:
        ValueError: fewer than two training rows.
    """
    rows, base = _pair(x, training)
    if len(base) < 2:
        raise ValueError(f"{len(base)} training rows: two or more are needed")
    found = nearest(rows, base)
    return np.asarray(nearest_other(base)[found.index] < found.distance, dtype=np.float64)


def memorisation_distance(x: npt.ArrayLike, training: npt.ArrayLike) -> float:
    """Mean over the samples of the least cosine distance 1 - |cos| to a training row; rows of length 0 are left out."""
    rows, base = (_directions(one) for one in _pair(x, training))
    if not (len(rows) and len(base)):
        raise ValueError("no feature row has a direction: all are zero")
    least = [
        1 - np.abs(rows[start : start + _ROWS_AT_ONCE] @ base.T).max(axis=1)
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return float(np.concatenate(least).mean())


def memorisation_informed(distance: float, memorisation: float, threshold: float = COPY_DISTANCE) -> float:
    """MiFID: a Frechet distance divided by the memorisation distance where that is below `threshold`, else as it is.

    Bai, Lin, Raffel, Kan 2021, arXiv 2106.03062. A set of copies has memorisation 0 and so an infinite MiFID, but for
    a Frechet distance of 0, which stays 0 (as in torchmetrics).
    """
    if distance <= 1e-8 or memorisation >= threshold:
        return distance
    return distance / max(memorisation, 1e-14)


def nearest_other(rows: Floats) -> Floats:
    """Distance (n,) of each row to its nearest other row, two or more rows."""
    index = [block.argpartition(1, axis=1)[:, 1] for _, block in squared_distance_blocks(rows, rows)]
    return _lengths(rows - rows[np.concatenate(index)])  # a row itself is its nearest, the second one is meant


def _lengths(gaps: Floats) -> Floats:
    """From the differences themselves, so that a copy is at 0 and not at rounding."""
    return np.asarray(np.linalg.norm(gaps, axis=1))


def _directions(rows: Floats) -> Floats:
    lengths = _lengths(rows)
    return np.asarray(rows[lengths > 0] / lengths[lengths > 0, None])


def _pair(x: npt.ArrayLike, training: npt.ArrayLike) -> tuple[Floats, Floats]:
    rows, base = (np.asarray(one, dtype=np.float64) for one in (x, training))
    if rows.ndim != 2 or base.ndim != 2 or rows.shape[1] != base.shape[1]:
        raise ValueError(f"features {rows.shape} and {base.shape}: (n, d) and (m, d) are needed")
    if not (len(rows) and len(base)):
        raise ValueError(f"{len(rows)} samples and {len(base)} training rows: one or more of each are needed")
    if not (np.isfinite(rows).all() and np.isfinite(base).all()):
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return rows, base
