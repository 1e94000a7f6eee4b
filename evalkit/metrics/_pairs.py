"""Metrics that look at a picture and its prompt together: one number a pair, kept by the content of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

import numpy as np

from evalkit.extractors import Rows
from evalkit.extractors._cache import cached_features
from evalkit.metrics._metric import Floats, Picture, Workplace

ScorePairs = Callable[[Sequence[Picture]], Iterator[Rows]]
"""Pictures in, rows (n, 1) out in the same order, in batches of any length."""


def pair_scores(
    pictures: Sequence[Picture],
    identity: str,
    load: Callable[[], ScorePairs],
    workplace: Workplace,
    key: Callable[[Picture], str],
) -> Floats:
    """The number of each picture; only what is not in the cache is computed."""
    items = {key(picture): picture for picture in pictures}
    found = cached_features(items, identity, load, *workplace.cache)
    return np.array([float(found[key(picture)][0]) for picture in pictures])


def of_both(picture: Picture) -> str:
    """Key of a number that hangs on picture and prompt."""
    return sha256(f"{picture.sha256}\n{picture.prompt}".encode("utf-8", "surrogatepass")).hexdigest()


def of_picture(picture: Picture) -> str:
    """Key of a number that hangs on the picture alone."""
    return picture.sha256


def in_batches(pictures: Sequence[Picture], size: int) -> Iterator[Sequence[Picture]]:
    """So many at a time."""
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]
