"""Kernel distances of feature sets: unbiased U-statistics with a prompt-block jackknife."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.metrics._metric import Difference, FeatureSet, SetValue
from evalkit.metrics._test import p_value
from evalkit.stats.kernel import Kernel, squared_mmd, squared_mmd_difference


def estimate(x: FeatureSet, reference: FeatureSet, kernel: Kernel, *, name: str, scale: float = 1.0) -> SetValue:
    """Squared MMD of `x` to `reference`, times `scale`; it may be a little below zero."""
    found = squared_mmd(x.rows, reference.rows, x.prompts, reference.prompts, kernel, name=name, scale=scale)
    if found.low is not None:
        found = replace(found, note="unbiased: may fall below zero; the interval is rough where both sets are alike")
    return SetValue(found, "unbiased")


def difference(
    x: FeatureSet, y: FeatureSet, reference: FeatureSet, kernel: Kernel, *, name: str, scale: float = 1.0
) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    prompts = (x.prompts, y.prompts, reference.prompts)
    found = squared_mmd_difference(x.rows, y.rows, reference.rows, *prompts, kernel, name=name, scale=scale)
    return Difference(found, p_value(found, min(np.unique(x.prompts).size, np.unique(y.prompts).size) - 1))
