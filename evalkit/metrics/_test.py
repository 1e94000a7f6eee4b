"""The test that belongs to a t interval."""

from __future__ import annotations

from scipy import stats

from evalkit.stats.estimate import Estimate


def p_value(estimate: Estimate, degrees_of_freedom: int, confidence: float) -> float | None:
    """Two-sided p of the hypothesis that the value is zero, from its t interval; None where there is no interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    error = (estimate.high - estimate.low) / 2 / stats.t.isf((1 - confidence) / 2, degrees_of_freedom)
    return float(2 * stats.t.sf(abs(estimate.value) / error, degrees_of_freedom)) if error > 0 else None
