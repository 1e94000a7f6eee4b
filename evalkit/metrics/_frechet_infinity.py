"""A Frechet distance extrapolated to infinitely many images: a value without an interval, since none is valid."""

from __future__ import annotations

import numpy as np

from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, SetValue
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import blocks, moments
from evalkit.stats.frechet_curve import METHOD, POINTS, frechet_curve, is_straight, no_line


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """FD-infinity of `x` to `reference`; subsets of whole prompts, drawn from the study's seed."""
    variant = f"line|points={POINTS}|seed={inference.seed}|n={len(x.rows)}"
    if not is_straight(*x.rows.shape):
        return SetValue(no_line(*x.rows.shape), variant)
    rng = np.random.default_rng(inference.seed)
    curve = frechet_curve(x.rows, reference.moments or moments(blocks(reference.rows)), rng=rng, prompts=x.prompts)
    return SetValue(curve.infinity, variant)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """None: no interval is valid, so no difference can be told from chance."""
    return Difference(Estimate(None, None, None, len(x.rows), f"{METHOD}, difference", note="no valid interval"), None)
