"""CMMD: kernel distance to the reference images on CLIP features, as an unbiased U-statistic.

The public code is the biased V-statistic, which reads 20 (1 - mean cosine) / n on two equal sets; this one reads zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.metrics import _kernel
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.kernel import gaussian_kernel

SIGMA, SCALE = 10.0, 1000.0

info = MetricInfo(
    level="set",
    extractor="clip",
    direction="lower",
    unit="1000 x squared discrepancy",
    range=(None, None),
    citation="Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti, Kumar 2024, arXiv 2401.09603",
    version=1,
    reads="Lower is nearer to the reference images; unbiased, so a little below values of the public code.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Gaussian kernel, sigma 10, on unit CLIP embeddings, times 1000; the note measures the public code's bias."""
    one, base = unit(x), unit(reference)
    found = _kernel.estimate(one, base, inference, gaussian_kernel(SIGMA), name="CMMD", scale=SCALE)
    bias = sum(bias_of_v_statistic(rows) for rows in (one.rows, base.rows) if len(rows) > 1)
    note = "; ".join(
        filter(None, [found.estimate.note, f"the V-statistic of the public code reads about {bias:.3g} more"])
    )
    return replace(found, estimate=replace(found.estimate, note=note))


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    sets = (unit(x), unit(y), unit(reference))
    return _kernel.difference(*sets, inference, gaussian_kernel(SIGMA), name="CMMD", scale=SCALE)


def unit(one: FeatureSet) -> FeatureSet:
    """Rows of length one, as CMMD takes them."""
    rows = np.asarray(one.rows, dtype=np.float64)
    return replace(one, rows=rows / np.linalg.norm(rows, axis=1, keepdims=True))


def bias_of_v_statistic(rows: npt.NDArray[np.floating]) -> float:
    """10 (1 - mean cosine of different rows) / n: what counting each row with itself adds, to first order."""
    n = len(rows)
    mean_cosine = (float((rows.sum(axis=0) ** 2).sum()) - n) / (n * (n - 1))
    return SCALE / SIGMA**2 * (1 - mean_cosine) / n
