"""Precision, recall, density and coverage as set metrics.

Precision and density are means over the study's own images, so they have an interval by prompt, for this reference set.
Recall and coverage are shares of the reference set: new prompts move all of it at once, and no interval is valid.
"""

from __future__ import annotations

import numpy as np

from evalkit.metrics._metric import Difference, FeatureSet, Floats, Inference, SetValue
from evalkit.metrics._own_images import own_difference, own_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.manifold import NEIGHBOURS, neighbourhoods

OWN_IMAGES = {"precision": (0.0, 1.0), "density": None}
"""Those that are means over the study's own images, and the range of each value."""


def estimate(name: str, x: FeatureSet, reference: FeatureSet, inference: Inference) -> SetValue:
    """`name` (precision, recall, density or coverage) with k = 5; n and k are in the signature, since both count."""
    variant, method = f"k={NEIGHBOURS}|strict|n={len(x.rows)}", f"{name}, k = {NEIGHBOURS}"
    values = _values(name, x, reference)
    if values is None:
        return SetValue(Estimate(None, None, None, len(x.rows), method, note=_too_few(x, reference)), variant)
    if name in OWN_IMAGES:
        return SetValue(own_mean(values, x, inference, method, OWN_IMAGES[name]), variant)
    note = "no valid interval: a share of the reference set, which depends on the number of images"
    return SetValue(Estimate(float(values.mean()), None, None, len(x.rows), method, note=note), variant)


def difference(name: str, x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference) -> Difference:
    """`name` of `x` minus that of `y`, paired by prompt where it is a mean over images."""
    a, b = _values(name, x, reference), _values(name, y, reference)
    if name not in OWN_IMAGES or a is None or b is None:
        note = "no valid interval" if a is not None and b is not None else _too_few(x, reference)
        return Difference(Estimate(None, None, None, len(x.rows), f"{name}, difference", note=note), None)
    return own_difference(a, b, x, y, inference)


def _values(name: str, x: FeatureSet, reference: FeatureSet) -> Floats | None:
    if min(len(x.rows), len(reference.rows)) <= NEIGHBOURS:
        return None
    return np.asarray(getattr(neighbourhoods(x.rows, reference.rows), name), dtype=np.float64)


def _too_few(x: FeatureSet, reference: FeatureSet) -> str:
    return f"{len(x.rows)} and {len(reference.rows)} images: more than {NEIGHBOURS} of each are needed"
