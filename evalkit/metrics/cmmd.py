"""CMMD: kernel distance to the reference images on CLIP features, as an unbiased U-statistic.

The public code is the biased V-statistic, which reads 20 (1 - mean cosine) / n on two equal sets; this one reads zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.metrics import _kernel
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Floats, Inference, MetricInfo, SetValue
from evalkit.stats.frechet import blocks
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
    found = _kernel.estimate(x, reference, inference, kernel, name="CMMD", scale=SCALE)
    bias = sum(bias_of_v_statistic(one.rows) for one in (x, reference) if len(one.rows) > 1)
    note = "; ".join(
        filter(None, [found.estimate.note, f"the V-statistic of the public code reads about {bias:.3g} more"])
    )
    return replace(found, estimate=replace(found.estimate, note=note))


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """Distance of `x` minus that of `y`, the same prompts deleted from both."""
    return _kernel.difference(x, y, reference, inference, kernel, name="CMMD", scale=SCALE)


def kernel(x: Floats, y: Floats) -> Floats:
    """exp(-|x - y|^2/200) of the rows at length one."""
    return gaussian_kernel(SIGMA)(unit(x), unit(y))


def unit(rows: npt.NDArray[np.generic]) -> Floats:
    """Rows of length one, as CMMD takes them.

    Raises:
        ValueError: a row is zero, so that it has no direction.
    """
    exact = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("an embedding is zero: list and leave out its image first")
    return np.asarray(exact / lengths)


def bias_of_v_statistic(rows: npt.NDArray[np.floating]) -> float:
    """10 (1 - mean cosine of different rows) / n: what counting each row with itself adds, to first order."""
    n = len(rows)
    total = sum((unit(part).sum(axis=0) for part in blocks(rows)), np.zeros(rows.shape[1]))
    mean_cosine = (float(total @ total) - n) / (n * (n - 1))
    return SCALE / SIGMA**2 * (1 - mean_cosine) / n
