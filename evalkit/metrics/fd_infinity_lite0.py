"""FD-infinity-lite0: FD-lite0 as it would be with infinitely many images. Not FID."""

from evalkit.metrics._frechet_infinity import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="lower",
    unit="squared feature units",
    range=(None, None),
    citation="Chong and Forsyth 2020, arXiv 1911.07023; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Lower is nearer to the reference images; most of the bias in the number of images is off; no interval.",
    statistics=True,
)
