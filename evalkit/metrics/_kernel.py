"""Kernel distances of feature sets: unbiased U-statistics with a prompt-block jackknife."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.metrics._metric import Difference, FeatureSet, Inference, SetValue
from evalkit.metrics._test import p_value
from evalkit.stats.kernel import Kernel, squared_mmd, squared_mmd_difference


def estimate(
    x: FeatureSet, reference: FeatureSet, inference: Inference, kernel: Kernel, *, name: str, scale: float = 1.0
) -> SetValue:
    """Squared MMD of `x` to `reference`, times `scale`; it may be a little below zero."""
    sets = (x.rows, reference.rows, x.prompts, reference.prompts)
    found = squared_mmd(*sets, kernel, name=name, scale=scale, confidence=inference.confidence)
    if found.low is not None:
        found = replace(found, note="unbiased: may fall below zero; the interval is rough where both sets are alike")
    return SetValue(found, "unbiased")


def difference(
    x: FeatureSet,
    y: FeatureSet,
    reference: FeatureSet,
    inference: Inference,
    kernel: Kernel,
    *,
    name: str,
    scale: float = 1.0,
) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    sets = (x.rows, y.rows, reference.rows, x.prompts, y.prompts, reference.prompts)
    found = squared_mmd_difference(*sets, kernel, name=name, scale=scale, confidence=inference.confidence)
    prompts = min(np.unique(x.prompts).size, np.unique(y.prompts).size)
    return Difference(found, p_value(found, prompts - 1, inference.confidence))
