"""Set metrics that are means over the study's own images, the reference set taken as given: interval by prompt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.metrics._metric import Difference, FeatureSet, Floats, Inference
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.pairing import paired_difference


def own_mean(
    values: Floats, x: FeatureSet, inference: Inference, method: str, bounds: tuple[float, float] | None
) -> Estimate:
    """Mean of one value per image of `x`."""
    found = clustered_mean(values, x.prompts, None, confidence=inference.confidence, bounds=bounds).estimate
    return replace(found, method=f"{method}, clustered t by prompt, this reference set")


def own_difference(a: Floats, b: Floats, x: FeatureSet, y: FeatureSet, inference: Inference) -> Difference:
    """Mean of `a` over the images of `x` minus that of `b` over those of `y`, paired by prompt."""
    rng = np.random.default_rng(inference.seed)
    found = paired_difference(a, b, x.prompts, y.prompts, rng=rng, confidence=inference.confidence)
    return Difference(found.estimate, found.test.p)
