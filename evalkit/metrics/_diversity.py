"""Variety of a set as set metrics, without a reference: a value without an interval, since none is valid."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from evalkit.metrics._metric import Difference, FeatureSet, SetValue
from evalkit.stats.estimate import Estimate

NOTE = "no valid interval; grows with the number of images: compare equal numbers only"


def value(x: FeatureSet, score: Callable[[npt.ArrayLike], float], name: str, note: str = "") -> SetValue:
    """The score of `x`, its number of images in its signature."""
    told = "; ".join(filter(None, [NOTE, note]))
    return SetValue(Estimate(score(x.rows), None, None, len(x.rows), name, note=told), f"n={len(x.rows)}")


def no_difference(x: FeatureSet, name: str) -> Difference:
    """None: no interval is valid, so no difference can be told from chance."""
    return Difference(Estimate(None, None, None, len(x.rows), f"{name}, difference", note="no valid interval"), None)
