"""Precision: share of the images that look like reference images, on EfficientNet-lite0 features."""

from __future__ import annotations

from evalkit.metrics import _manifold
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="share of images",
    range=(0, 1),
    citation="Kynkaanniemi et al. 2019, arXiv 1904.06991; strict comparison: Naeem et al. 2020, arXiv 2002.09797",
    version=1,
    reads="Higher means that more images lie among the reference images: fidelity, whatever the variety.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Precision of `x` against `reference`; nothing is drawn."""
    return _manifold.estimate("precision", x, reference, inference)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Precision of `x` minus that of `y`."""
    return _manifold.difference("precision", x, y, reference, inference)
