"""MiFID: FID, made larger where images lie close to the reference images."""

from evalkit.metrics._memorisation import informed_difference as difference
from evalkit.metrics._memorisation import informed_distance as estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="inception",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Bai, Lin, Raffel, Kan 2021, arXiv 2106.03062",
    version=1,
    reads="Equal to FID if nothing is copied; above FID means copies, if the reference set is the training set.",
)
