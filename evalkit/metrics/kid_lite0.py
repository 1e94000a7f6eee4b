"""KID-lite0: kernel distance to the reference images on EfficientNet-lite0 features, valid for small sets. Not KID."""

from __future__ import annotations

from evalkit.metrics import _kernel
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.kernel import polynomial_kernel

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="lower",
    unit="squared discrepancy",
    range=(None, None),
    citation="Binkowski, Sutherland, Arbel, Gretton 2018, arXiv 1801.01401; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Lower is nearer to the reference images; zero on average where both sets are alike.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Kernel (x.y/d + 1)^3, all images, the full U-statistic: nothing is drawn."""
    return _kernel.estimate(x, reference, inference, polynomial_kernel, name="KID-lite0")


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    return _kernel.difference(x, y, reference, inference, polynomial_kernel, name="KID-lite0")
