"""Coverage: share of the reference images with one of a system's images near, on EfficientNet-lite0 features."""

from __future__ import annotations

from evalkit.metrics import _manifold
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="share of reference images",
    range=(0, 1),
    citation="Naeem, Oh, Uh, Choi, Yoo 2020, arXiv 2002.09797",
    version=1,
    reads="Higher means more of the reference's variety; compare equal numbers of images only.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Coverage of `x` against `reference`; nothing is drawn."""
    return _manifold.estimate("coverage", x, reference, inference)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Coverage of `x` minus that of `y`."""
    return _manifold.difference("coverage", x, y, reference, inference)
