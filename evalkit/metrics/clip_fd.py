"""CLIP-FD: Frechet distance to the reference images on CLIP features. Not FID."""

from evalkit.metrics._frechet import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="clip",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Kynkaanniemi et al. 2022, arXiv 2203.06026; network: Radford et al. 2021, arXiv 2103.00020",
    version=1,
    reads="Lower is nearer to the reference images; comparable within one CLIP only.",
    statistics=True,
)
