"""FID-infinity: FID as it would be with infinitely many images, on the Inception features of the FID paper."""

from evalkit.metrics._frechet_infinity import difference, estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="inception",
    direction="lower",
    unit="squared feature units",
    range=(None, None),
    citation="Chong and Forsyth 2020, arXiv 1911.07023",
    version=1,
    reads="Lower is nearer to the reference images; most of the bias in the number of images is off; no interval.",
    statistics=True,
)
