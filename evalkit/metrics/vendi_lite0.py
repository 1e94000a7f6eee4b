"""Vendi score: how many kinds of images there are, in effect, on EfficientNet-lite0 features."""

from __future__ import annotations

from evalkit.metrics import _diversity
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.diversity import vendi_score

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="effective number of kinds",
    range=(1, None),
    citation="Friedman, Dieng 2022, arXiv 2210.02410; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Higher means more varied images, whatever their quality; compare the same prompts only.",
    reference=False,
)


def estimate(x: FeatureSet, reference: FeatureSet | None = None, inference: Inference = DEFAULTS) -> SetValue:
    """Vendi score of `x`; nothing is drawn."""
    return _diversity.value(x, vendi_score, "Vendi score")


def difference(
    x: FeatureSet, y: FeatureSet, reference: FeatureSet | None = None, inference: Inference = DEFAULTS
) -> Difference:
    """None: no interval is valid."""
    return _diversity.no_difference(x, "Vendi score")
