"""Recall: share of the reference images that lie among a system's images, on EfficientNet-lite0 features."""

from __future__ import annotations

from evalkit.metrics import _manifold
from evalkit.metrics._metric import Difference, FeatureSet, MetricInfo, SetValue

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="share of reference images",
    range=(0, 1),
    citation="Kynkaanniemi et al. 2019, arXiv 1904.06991; strict comparison: Naeem et al. 2020, arXiv 2002.09797",
    version=1,
    reads="Higher means more of the reference's variety; compare equal numbers of images only.",
)


def estimate(x: FeatureSet, reference: FeatureSet, *, seed: int = 0) -> SetValue:
    """Recall of `x` against `reference`; nothing is drawn, so `seed` changes nothing."""
    return _manifold.estimate("recall", x, reference)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, *, seed: int = 0) -> Difference:
    """Recall of `x` minus that of `y`."""
    return _manifold.difference("recall", x, y, reference, seed)
