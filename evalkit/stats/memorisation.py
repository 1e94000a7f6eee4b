"""Does a set of samples repeat its training set? Nearest neighbours, MiFID and AuthPct, from feature rows.

All of it speaks of memorisation only where `training` is what the model was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Floats
from evalkit.stats.frechet import Rows, blocks, table
from evalkit.stats.manifold import COINCIDENT

COPY_DISTANCE = 0.1
"""Cosine distance under which a set counts as memorised: the value of the Kaggle contest and of torchmetrics."""


@dataclass(frozen=True)
class Nearest:
    """For each sample the row of the training set that is nearest, and how far it is (Euclidean)."""

    index: npt.NDArray[np.intp]
    distance: Floats


def nearest(x: npt.ArrayLike, training: npt.ArrayLike) -> Nearest:
    """Nearest row of `training` (m, d) for each row of `x` (n, d)."""
    return _nearest(*_pair(x, training))


def nearest_other(training: npt.ArrayLike, index: npt.NDArray[np.intp]) -> Floats:
    """Distance of the rows of `training` (m, d) at `index` to their own nearest other row; two or more rows."""
    base, (unique, back) = table(training), np.unique(index, return_inverse=True)
    return _nearest(base[unique], base, skip=unique).distance[back]


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
    return np.asarray(nearest_other(base, found.index) < found.distance, dtype=np.float64)


def memorisation_distance(x: npt.ArrayLike, training: npt.ArrayLike) -> float:
    """Mean over the samples of the least cosine distance 1 - |cos| to a training row; rows of length 0 are left out."""
    rows, base = _pair(x, training)
    least = [_least_cosine_distance(part, base) for part in blocks(rows)]
    if not sum(map(len, least)) or not np.isfinite(np.concatenate(least)).all():
        raise ValueError("no feature row has a direction: all are zero")
    return float(np.concatenate(least).mean())


def _least_cosine_distance(rows: Rows, base: Rows) -> Floats:
    own, found = _directions(rows), np.inf
    for part in blocks(base):
        if len(known := _directions(part)):
            found = np.minimum(found, 1 - np.abs(own @ known.T).max(axis=1))
    return np.broadcast_to(found, len(own))


def memorisation_informed(distance: float, memorisation: float, threshold: float = COPY_DISTANCE) -> float:
    """MiFID: a Frechet distance divided by the memorisation distance where that is below `threshold`, else as it is.

    Bai, Lin, Raffel, Kan 2021, arXiv 2106.03062. A set of copies has memorisation 0 and so an infinite MiFID, but for
    a Frechet distance of 0, which stays 0 (as in torchmetrics).
    """
    if distance <= 1e-8 or memorisation >= threshold:
        return distance
    return distance / max(memorisation, 1e-14)


def _nearest(rows: Rows, base: Rows, skip: npt.NDArray[np.intp] | None = None) -> Nearest:
    """Some rows of each at a time; `skip`: the row of `base` that does not count for each of `rows`."""
    place, distance = np.zeros(len(rows), dtype=np.intp), np.empty(len(rows))
    for start, own in _numbered(rows):
        mine, least = slice(start, start + len(own)), np.full(len(own), np.inf)
        for first, part in _numbered(base):
            squares = _squares(own, part)
            if skip is not None:
                at = np.flatnonzero((skip[mine] >= first) & (skip[mine] < first + len(part)))
                squares[at, skip[mine][at] - first] = np.inf
            closest = squares.argmin(axis=1)
            found = np.take_along_axis(squares, closest[:, None], axis=1)[:, 0]
            place[mine] = np.where(found < least, closest + first, place[mine])
            least = np.minimum(found, least)
        distance[mine] = np.linalg.norm(
            np.subtract(own, base[place[mine]]), axis=1
        )  # so that a copy is at 0, not at rounding
    return Nearest(place, distance)


def _numbered(rows: Rows) -> Iterator[tuple[int, Floats]]:
    """Blocks in float64, each with the number of its first row."""
    start = 0
    for part in blocks(rows):
        yield start, np.asarray(part, dtype=np.float64)
        start += len(part)


def _squares(x: Floats, y: Floats) -> Floats:
    lengths = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)
    squares = lengths - 2 * x @ y.T
    squares[squares < COINCIDENT * lengths] = 0
    return np.asarray(squares)


def _directions(rows: Rows) -> Floats:
    exact = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    return np.asarray(exact[lengths > 0] / lengths[lengths > 0, None])


def _pair(x: npt.ArrayLike, training: npt.ArrayLike) -> tuple[Rows, Rows]:
    rows, base = table(x), table(training)
    if rows.shape[1] != base.shape[1]:
        raise ValueError(f"features {rows.shape} and {base.shape}: (n, d) and (m, d) are needed")
    if not (len(rows) and len(base)):
        raise ValueError(f"{len(rows)} samples and {len(base)} training rows: one or more of each are needed")
    if not all(np.isfinite(part).all() for one in (rows, base) for part in blocks(one)):
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return rows, base
