"""p-values of several tests at once: Holm for what a study set out to show, Benjamini-Hochberg for exploration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from evalkit.stats.cluster_variance import Floats


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values with family-wise error control (Holm 1979). A test without a p stays None, uncounted."""
    return _adjusted(p_values, _step_down)


def benjamini_hochberg(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values with false-discovery control (Benjamini and Hochberg 1995). None stays None, uncounted."""
    return _adjusted(p_values, stats.false_discovery_control)


def _step_down(p: Floats) -> Floats:
    """The k-th smallest of m times m - k + 1, never below the one before, at most 1."""
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted


def _adjusted(p_values: Sequence[float | None], method: Callable[[Floats], Floats]) -> tuple[float | None, ...]:
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    if known.size == 0:
        return tuple(None for _ in p_values)
    if not ((known >= 0) & (known <= 1)).all():
        raise ValueError(f"p-values lie between 0 and 1, got {known.tolist()}")
    adjusted = iter(method(known).tolist())
    return tuple(None if p is None else float(next(adjusted)) for p in p_values)
