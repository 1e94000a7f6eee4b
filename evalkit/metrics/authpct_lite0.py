"""AuthPct: share of images that are no copies of reference images, on EfficientNet-lite0 features."""

from evalkit.metrics._memorisation import authentic_difference as difference
from evalkit.metrics._memorisation import authentic_share as estimate
from evalkit.metrics._metric import MetricInfo

__all__ = ["difference", "estimate", "info"]

info = MetricInfo(
    level="set",
    extractor="lite0",
    direction="higher",
    unit="% of images",
    range=(0, 100),
    citation="Alaa et al. 2022, arXiv 2102.08921; Stein et al. 2023, arXiv 2306.04675",
    version=1,
    reads="About 50 where images are as near to the reference as its own are to each other; far below means copies.",
)
