"""FD-DINOv2: Frechet distance to the reference images on DINOv2 features. Not FID."""

from evalkit.metrics._frechet import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="dinov2",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Stein et al. 2023, arXiv 2306.04675; network: Oquab et al. 2023, arXiv 2304.07193",
    version=1,
    reads="Lower is nearer to the reference images; closer to people's judgement than FID in its authors' study.",
    statistics=True,
)
