"""MiFD-lite0: FD-lite0, made larger where images lie close to the reference images. Not MiFID."""

from evalkit.metrics._memorisation import informed_difference as difference
from evalkit.metrics._memorisation import informed_distance as estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="lower",
    unit="squared feature units",
    range=(0, None),
    citation="Bai, Lin, Raffel, Kan 2021, arXiv 2106.03062; network: Tan and Le 2019, arXiv 1905.11946",
    version=1,
    reads="Equal to FD-lite0 if nothing is copied; above it means copies, if the reference set is the training set.",
)
