"""FD-pca64: Frechet distance of EfficientNet-lite0 features on the 64 leading axes of the reference. Not FID.

Made for sets of 128 images and more, where 1280 dimensions allow no interval.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics import _frechet
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.frechet_interval import leading_axes, on_axes

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Frechet distance: Heusel et al. 2017, arXiv 1706.08500; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Lower is nearer to the reference images, in the 64 directions in which those differ most.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Frechet distance of `x` to `reference` on the axes of `reference`."""
    (one,), base = _projected([x], reference)
    return _frechet.estimate(one, base, inference)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    (one, two), base = _projected([x, y], reference)
    return _frechet.difference(one, two, base, inference)


def _projected(sets: list[FeatureSet], reference: FeatureSet) -> tuple[list[FeatureSet], FeatureSet]:
    """All sets on the reference's axes, which are found once."""
    axes = leading_axes(reference.rows)
    one_by_one = (replace(one, rows=on_axes(one.rows, *axes)) for one in (*sets, reference))
    *projected, base = one_by_one
    return projected, base
