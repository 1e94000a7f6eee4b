"""FD-lite0: Frechet distance to the reference images on EfficientNet-lite0 features. Not FID."""

from evalkit.metrics._frechet import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Frechet distance: Heusel et al. 2017, arXiv 1706.08500; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Lower is nearer to the reference images; comparable within one signature only, never with FID.",
    statistics=True,
)
