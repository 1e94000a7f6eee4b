"""Frechet distances of feature sets: the corrected value with its interval where there are enough images, else plain.

With N >= 2d on both sides: delete-a-group jackknife by prompt, t interval. Below that the plain, biased value with the
number of images in its signature, and no interval: none is valid (a bootstrap adds the bias a second time).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, SetValue
from evalkit.metrics._test import p_value
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments, frechet_distance_to
from evalkit.stats.frechet_interval import frechet_difference, frechet_jackknife, prompt_groups

GROUPS = 20
STATISTICS_ONLY = "no valid interval: the reference set is given by its mean and covariance only"
Groups = npt.NDArray[np.intp]


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Frechet distance of `x` to `reference`."""
    if reference.moments:
        return _to_statistics(x, reference.moments)
    (groups,), reference_groups = _groups([x], reference, inference.seed)
    found = frechet_jackknife(x.rows, reference.rows, groups, reference_groups, confidence=inference.confidence)
    if found.corrected.value is None:
        note = f"no valid interval: {found.corrected.note}; the value is biased upwards, the more the fewer images"
        return SetValue(replace(found.plain, note=note), f"plain|n={len(x.rows)}")
    note = f"{found.corrected.note}; as usually printed, with its bias: {found.plain.value:.4g}"
    return SetValue(replace(found.corrected, note=note), f"jackknife|n={len(x.rows)}")


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Frechet distance of `x` minus that of `y`, the same prompts deleted from both."""
    if reference.moments:
        method = "Frechet distance, difference"
        return Difference(Estimate(None, None, None, len(x.rows), method, note=STATISTICS_ONLY), None)
    (groups, groups_y), reference_groups = _groups([x, y], reference, inference.seed)
    found = frechet_difference(
        *(x.rows, y.rows, reference.rows, groups, reference_groups), y_groups=groups_y, confidence=inference.confidence
    )
    return Difference(found, p_value(found, np.union1d(groups, reference_groups).size - 1, inference.confidence))


def _to_statistics(x: FeatureSet, moments: Moments) -> SetValue:
    """The plain value: of a reference without rows no groups can be left out."""
    value = frechet_distance_to(x.rows, moments)
    note = f"{STATISTICS_ONLY}; the value is biased upwards, the more the fewer images"
    return SetValue(Estimate(value, None, None, len(x.rows), "Frechet distance", note=note), f"plain|n={len(x.rows)}")


def _groups(sets: list[FeatureSet], reference: FeatureSet, seed: int) -> tuple[list[Groups], Groups]:
    """The same group for the same prompt in every set; reference images dealt out over the same groups."""
    prompts = np.concatenate([one.prompts for one in sets])
    count = min(GROUPS, np.unique(prompts).size)
    code = prompt_groups(prompts, count, np.random.default_rng(seed))
    ends = np.cumsum([len(one.prompts) for one in sets])[:-1]
    return np.split(code, ends), prompt_groups(reference.prompts, count, np.random.default_rng([seed, 1]))
