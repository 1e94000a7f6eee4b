"""CMMD as its public code computes it: the biased V-statistic, which is above zero for two equal sets.

Kept to compare with published values; `cmmd` is the unbiased one.
"""

from __future__ import annotations

from evalkit.metrics import cmmd
from evalkit.metrics._metric import DEFAULTS, Difference, FeatureSet, Inference, MetricInfo, SetValue
from evalkit.stats.estimate import Estimate
from evalkit.stats.kernel import squared_mmd_v_statistic

METHOD = "CMMD, V-statistic (biased)"

info = MetricInfo(
    level="set",
    extractor="clip",
    direction="lower",
    unit="1000 x squared discrepancy",
    range=(0, None),
    citation="Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti, Kumar 2024, arXiv 2401.09603",
    version=1,
    reads="Lower is nearer to the reference images; the fewer images, the higher, also for two equal sets.",
)


def estimate(x: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> SetValue:
    """Gaussian kernel, sigma 10, on unit CLIP embeddings, times 1000, over all pairs; the note measures its null."""
    value = cmmd.SCALE * squared_mmd_v_statistic(x.rows, reference.rows, cmmd.kernel)
    null = sum(cmmd.bias_of_v_statistic(one.rows) for one in (x, reference) if len(one.rows) > 1)
    note = f"no valid interval; two equal sets of these sizes read about {null:.3g}"
    return SetValue(Estimate(value, None, None, len(x.rows), METHOD, note=note), f"v-statistic|n={len(x.rows)}")


def difference(x: FeatureSet, y: FeatureSet, reference: FeatureSet, inference: Inference = DEFAULTS) -> Difference:
    """None: no interval is valid."""
    method = f"{METHOD}, difference"
    return Difference(Estimate(None, None, None, len(x.rows), method, note="no valid interval; see cmmd"), None)
