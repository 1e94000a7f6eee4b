"""Inception Score: how sure and how varied the classes are that a network sees in the images."""

from __future__ import annotations

from evalkit.metrics import _diversity
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.diversity import inception_score

PARTS = 10

info = MetricInfo(
    level="set",
    extractor="inception_classes",
    direction="higher",
    unit="effective number of classes",
    range=(1, 1008),
    citation="Salimans et al. 2016, arXiv 1606.03498",
    version=1,
    reads="Higher means clearer and more varied objects; it knows no reference and no prompt, and is easily misled.",
    reference=False,
)


def estimate(x: FeatureSet, reference: FeatureSet | None = None, inference: Inference = DEFAULTS) -> SetValue:
    """Over all images at once; the note has the usual mean over ten parts."""
    parts = f"mean over {PARTS} parts: {inception_score(x.rows, PARTS):.4g}" if len(x.rows) >= PARTS else ""
    return _diversity.value(x, inception_score, "Inception Score", parts)


def difference(
    x: FeatureSet, y: FeatureSet, reference: FeatureSet | None = None, inference: Inference = DEFAULTS
) -> Difference:
    """None: no interval is valid."""
    return _diversity.no_difference(x, "Inception Score")
