"""Precision, recall, density and coverage as set metrics.

Precision and density are means over the study's own images, so they have an interval by prompt, for this reference set.
Recall and coverage are shares of the reference set: new prompts move all of it at once, and no interval is valid.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.metrics._metric import Difference, FeatureSet, Floats, Inference, SetValue
from evalkit.metrics._own_images import own_difference, own_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.manifold import NEIGHBOURS, Within, neighbourhoods

OWN_IMAGES = {"precision": (0.0, 1.0), "density": None}
"""Those that are means over the study's own images, and the range of each value."""


def estimate(name: str, x: FeatureSet, reference: FeatureSet, inference: Inference) -> SetValue:
    """`name` (precision, recall, density or coverage) with k = 5, `<`; the signature has n and k, since both count."""
    variant, method = f"k={NEIGHBOURS}|<|n={len(x.rows)}", f"{name}, k = {NEIGHBOURS}, within: <"
    values = _values(name, x, reference)
    if values is None:
        return SetValue(Estimate(None, None, None, len(x.rows), method, note=_too_few(x, reference)), variant)
    if name in OWN_IMAGES:
        found = own_mean(values, x, inference, method, OWN_IMAGES[name])
    else:
        note = "no valid interval: a share of the reference set, which depends on the number of images"
        found = Estimate(float(values.mean()), None, None, len(x.rows), method, note=note)
    return SetValue(replace(found, note=_with_ties(found.note, name, x, reference, values)), variant)


def difference(name: str, x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference) -> Difference:
    """`name` of `x` minus that of `y`, paired by prompt where it is a mean over images."""
    a, b = _values(name, x, reference), _values(name, y, reference)
    if name not in OWN_IMAGES or a is None or b is None:
        note = "no valid interval" if a is not None and b is not None else _too_few(x, reference)
        return Difference(Estimate(None, None, None, len(x.rows), f"{name}, difference", note=note), None)
    return own_difference(a, b, x, y, inference)


def _with_ties(note: str | None, name: str, x: FeatureSet, reference: FeatureSet, values: Floats) -> str | None:
    """The note, with the value of the other convention where that is another one."""
    other = _values(name, x, reference, "<=")
    differs = other is not None and not np.array_equal(other, values)
    told = f"with <= instead of <: {other.mean():.4g}" if differs and other is not None else None
    return "; ".join(filter(None, [note, told])) or None


def _values(name: str, x: FeatureSet, reference: FeatureSet, within: Within = "<") -> Floats | None:
    if min(len(x.rows), len(reference.rows)) <= NEIGHBOURS:
        return None
    found = neighbourhoods(x.rows, reference.rows, within=within)
    return np.asarray(getattr(found, name), dtype=np.float64)


def _too_few(x: FeatureSet, reference: FeatureSet) -> str:
    return f"{len(x.rows)} and {len(reference.rows)} images: more than {NEIGHBOURS} of each are needed"
