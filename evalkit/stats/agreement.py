"""Do raters agree beyond chance? One rating per row: the item it is of, and the choice, coded as systems, not sides.

Every coefficient comes with a percentile interval from a bootstrap over items. Items with the same counts of choices
are drawn together (a multinomial over the distinct rows of counts is the same bootstrap): a million votes cost no more
than a thousand. Where all ratings are equal, chance and
observed agreement are both perfect and the coefficient is undefined: None and a note, never 1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Floats
from evalkit.stats.estimate import Estimate

Level = Literal["nominal", "ordinal", "interval", "ratio"]
FEWEST_ITEMS = 8
_Coefficient = Callable[[Floats], Floats]
"""Weights of the distinct rows of counts (resamples, rows) -> coefficient (resamples,), NaN if undefined."""


def krippendorff_alpha(
    items: npt.ArrayLike,
    ratings: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    level: Level = "nominal",
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Krippendorff's alpha (2011): any number of raters per item; items with one rating pair with nothing and drop out.

    `level` other than nominal needs numeric ratings.
    """
    every, times, values = _table(items, ratings)
    several = every.sum(axis=1) > 1
    paired, paired_times = every[several], times[several]
    own = paired[:, :, None] * paired[:, None, :] - paired[:, :, None] * np.eye(values.size)
    pairs = (own / np.maximum(paired.sum(axis=1) - 1, 1)[:, None, None]).reshape(len(paired), values.size**2)

    def coefficient(weights: Floats) -> Floats:
        seen = (weights @ pairs).reshape(len(weights), values.size, values.size)
        margins = seen.sum(axis=2)
        total = margins.sum(axis=1)
        distance = _distance(values, margins, level)
        expected = np.einsum("bi,bj,bij->b", margins, margins, distance)
        return 1 - _divided((total - 1) * (seen * distance).sum(axis=(1, 2)), expected)

    name = f"Krippendorff alpha, {level}, bootstrap over items"
    return _estimate(name, paired, paired_times, coefficient, rng, resamples, confidence)


def fleiss_kappa(
    items: npt.ArrayLike,
    ratings: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Fleiss' kappa (1971). Defined only where every item has the same number of ratings, two or more."""
    counts, times, _ = _table(items, ratings)
    name = "Fleiss kappa, bootstrap over items"
    per_item = counts.sum(axis=1)
    if counts.size and np.ptp(per_item):
        low, high = int(per_item.min()), int(per_item.max())
        note = f"undefined because the number of raters per item differs ({low} to {high})"
        return Estimate(None, None, None, int(times @ per_item), name, note=note)

    def coefficient(weights: Floats) -> Floats:
        shares = weights @ counts / (weights @ per_item)[:, None]
        return _beyond_chance(_raw(weights, counts), (shares**2).sum(axis=1))

    return _estimate(name, counts, times, coefficient, rng, resamples, confidence)


def gwet_ac1(
    items: npt.ArrayLike,
    ratings: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    categories: int | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Gwet's AC1 (2008), which does not collapse when one choice dominates. `categories`: how many could be chosen."""
    counts, times, values = _table(items, ratings)
    choices = categories or values.size
    per_item = np.maximum(counts.sum(axis=1), 1)

    def coefficient(weights: Floats) -> Floats:
        shares = weights @ (counts / per_item[:, None]) / weights.sum(axis=1)[:, None]
        expected = (shares * (1 - shares)).sum(axis=1) / max(choices - 1, 1)
        value = _beyond_chance(_raw(weights, counts), expected)
        return np.where(shares.max(axis=1, initial=0) < 1, value, np.nan)

    return _estimate("Gwet AC1, bootstrap over items", counts, times, coefficient, rng, resamples, confidence)


def raw_agreement(
    items: npt.ArrayLike,
    ratings: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Mean over items of the share of equal pairs of ratings; chance is not taken off."""
    counts, times, _ = _table(items, ratings)
    name = "raw agreement, bootstrap over items"
    return _estimate(name, counts, times, lambda weights: _raw(weights, counts), rng, resamples, confidence)


def _table(items: npt.ArrayLike, ratings: npt.ArrayLike) -> tuple[Floats, Floats, npt.NDArray[np.generic]]:
    """Distinct rows of counts (rows, distinct ratings), how many items have each, and the distinct ratings in order."""
    item_names, item = np.unique(np.asarray(items), return_inverse=True)
    values, code = np.unique(np.asarray(ratings), return_inverse=True)
    if item.shape != code.shape:
        raise ValueError(f"{item.size} items and {code.size} ratings: one of each per row")
    counts = np.zeros((item_names.size, values.size))
    np.add.at(counts, (item, code), 1)
    rows, times = np.unique(counts, axis=0, return_counts=True)
    return rows, times.astype(np.float64), values


def _distance(values: npt.NDArray[np.generic], margins: Floats, level: Level) -> Floats:
    """Squared difference of every two ratings, per row of margins: (rows, ratings, ratings)."""
    size = values.size
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(size), (len(margins), size, size))
    if level == "ordinal":
        below = margins.cumsum(axis=1) - margins / 2
        return np.asarray((below[:, :, None] - below[:, None, :]) ** 2)
    number = values.astype(np.float64)
    difference = number[:, None] - number[None, :]
    if level == "ratio":
        difference = _divided(difference, number[:, None] + number[None, :], empty=0.0)
    return np.broadcast_to(difference**2, (len(margins), size, size))


def _raw(weights: Floats, counts: Floats) -> Floats:
    per_item = counts.sum(axis=1)
    several = per_item > 1
    equal = _divided((counts * (counts - 1)).sum(axis=1), per_item * (per_item - 1), empty=0.0)
    return _divided(weights @ equal, weights @ several.astype(np.float64))


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    return _divided(observed - expected, np.where(expected > 1 - 1e-12, 0.0, 1 - expected))


def _divided(top: Floats, bottom: Floats, empty: float = np.nan) -> Floats:
    top, bottom = np.broadcast_arrays(top, bottom)
    quotient: Floats = np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom != 0)
    return quotient


def _estimate(
    name: str,
    counts: Floats,
    times: Floats,
    coefficient: _Coefficient,
    rng: np.random.Generator,
    resamples: int,
    confidence: float,
) -> Estimate:
    items, n = int(times.sum()), int(times @ counts.sum(axis=1))
    if not (counts.sum(axis=1) > 1).any():
        return Estimate(None, None, None, n, name, note="undefined because no item has two ratings")
    value = float(coefficient(times[None, :])[0])
    if np.isnan(value):
        return Estimate(None, None, None, n, name, note="undefined because every rating is the same")
    if items < FEWEST_ITEMS:
        return Estimate(value, None, None, n, name, note=f"under {FEWEST_ITEMS} items: no interval")
    drawn = coefficient(rng.multinomial(items, times / items, size=resamples).astype(np.float64))
    defined = drawn[~np.isnan(drawn)]
    lost = drawn.size - defined.size
    note = f"undefined in {lost} of {drawn.size} resamples, which are left out" if lost else None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high), n, name, note=note)
