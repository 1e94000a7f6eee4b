"""Ratios of times measured in turn: rounds, each of which measured both, so that a drifting clock cancels out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.estimate import Estimate

FEWEST_ROUNDS = 3


def paired_ratio(times_a: npt.ArrayLike, times_b: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Geometric mean over rounds of a / b with Student's t interval on the logarithms.

    Args:
        times_a, times_b: positive times of the same rounds, shape (rounds,).

    The interval is about more rounds on this machine, not about other machines. Fewer than 3 rounds give no interval.
    Source: a paired t interval on log-ratios (Fleming and Wallace 1986 on geometric means of normalised times).

    Raises:
        ValueError: lengths differ, or a time is not positive.
    """
    a, b = np.asarray(times_a, float), np.asarray(times_b, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"rounds differ: {a.shape} and {b.shape}")
    if not (np.all(a > 0) and np.all(b > 0)):
        raise ValueError("a time is not positive")
    method = "geometric mean of paired ratios, t over rounds"
    if not len(a):
        return Estimate(None, None, None, 0, method, note="no rounds were measured")
    logs = np.log(a / b)
    centre = float(np.exp(logs.mean()))
    if len(a) < FEWEST_ROUNDS:
        return Estimate(centre, None, None, len(a), method, note=f"fewer than {FEWEST_ROUNDS} rounds: no interval")
    half = float(stats.t.ppf((1 + confidence) / 2, len(a) - 1) * stats.sem(logs))
    return Estimate(centre, centre * float(np.exp(-half)), centre * float(np.exp(half)), len(a), method)


def median_band(times: npt.ArrayLike) -> Estimate:
    """The median of times, with their 10th and 90th percentiles as `low` and `high`: a spread, not an interval."""
    values = np.asarray(times, float)
    method = "median (10th to 90th percentile)"
    if not len(values):
        return Estimate(None, None, None, 0, method, note="not measured")
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return Estimate(float(middle), float(low), float(high), len(values), method)
