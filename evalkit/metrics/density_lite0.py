"""Density: how crowded with reference images the places of a system's images are, on EfficientNet-lite0 features."""

from __future__ import annotations

from evalkit.metrics import _manifold
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="reference neighbourhoods over k",
    range=(0, None),
    citation="Naeem, Oh, Uh, Choi, Yoo 2020, arXiv 2002.09797",
    version=1,
    reads="Higher means images in more crowded places; about 1 where both sets are alike, and it may exceed 1.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Density of `x` against `reference`; nothing is drawn."""
    return _manifold.estimate("density", x, reference, inference)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Density of `x` minus that of `y`."""
    return _manifold.difference("density", x, y, reference, inference)
