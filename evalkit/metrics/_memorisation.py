"""Memorisation as set metrics. They speak of it only where the reference set is what the model was trained on."""

from __future__ import annotations

from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, SetValue
from evalkit.metrics._own_images import own_difference, own_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import frechet_distance_from_features
from evalkit.stats.memorisation import COPY_DISTANCE, authentic, memorisation_distance, memorisation_informed

ONLY_TRAINING = "speaks of memorisation only if the reference set is the training set"


def informed_distance(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Frechet distance of `x` to `reference`, divided by the memorisation distance where that is below the limit."""
    distance = frechet_distance_from_features(x.rows, reference.rows)
    memorisation = memorisation_distance(x.rows, reference.rows)
    verdict = "below" if memorisation < COPY_DISTANCE else "not below"
    note = (
        f"no valid interval; Frechet distance {distance:.4g}, mean least cosine distance {memorisation:.3g}, {verdict} "
        f"{COPY_DISTANCE:g}; {ONLY_TRAINING}"
    )
    value = memorisation_informed(distance, memorisation)
    method = "Frechet distance over memorisation distance"
    found = Estimate(value, None, None, len(x.rows), method, note=note)
    return SetValue(found, f"threshold={COPY_DISTANCE:g}|n={len(x.rows)}")


def informed_difference(
    x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS
) -> Difference:
    """None: no interval is valid."""
    method = "Frechet distance over memorisation distance, difference"
    return Difference(Estimate(None, None, None, len(x.rows), method, note="no valid interval"), None)


def authentic_share(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Share of the images of `x`, in %, that are farther from the reference than its own images from each other."""
    values = 100 * authentic(x.rows, reference.rows)
    found = own_mean(values, x, inference, f"authentic images; {ONLY_TRAINING}", (0.0, 100.0))
    return SetValue(found, f"nearest|n={len(x.rows)}")


def authentic_difference(
    x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS
) -> Difference:
    """Share of `x` minus that of `y`, paired by prompt."""
    a, b = (100 * authentic(one.rows, reference.rows) for one in (x, y))
    return own_difference(a, b, x, y, inference)
