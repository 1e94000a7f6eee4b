"""FD-pca64: Frechet distance of EfficientNet-lite0 features on the 64 leading axes of the reference. Not FID.

Made for sets of 128 images and more, where 1280 dimensions allow no interval.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics import _frechet
from evalkit.metrics._metric import Difference, FeatureSet, MetricInfo, SetValue
from evalkit.stats.frechet_interval import project_to_reference_axes

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


def estimate(x: FeatureSet, reference: FeatureSet, *, seed: int = 0) -> SetValue:
    """Frechet distance of `x` to `reference` on the axes of `reference`."""
    return _frechet.estimate(_projected(x, reference), _projected(reference, reference), seed=seed)


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, *, seed: int = 0) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    projected = (_projected(x, reference), _projected(y, reference), _projected(reference, reference))
    return _frechet.difference(*projected, seed=seed)


def _projected(one: FeatureSet, reference: FeatureSet) -> FeatureSet:
    return replace(one, rows=project_to_reference_axes(one.rows, reference.rows)[0])
