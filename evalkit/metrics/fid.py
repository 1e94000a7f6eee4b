"""FID: Frechet distance to the reference images on the Inception features of the paper."""

from evalkit.metrics._frechet import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="inception",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Heusel et al. 2017, arXiv 1706.08500; resizing: Parmar, Zhang, Zhu 2022, arXiv 2104.11222",
    version=1,
    reads="Lower is nearer to the reference images; only values of equal n, resizing and reference compare.",
    statistics=True,
)
