"""Does something grow along the sheet? The slope of a clustered mean: ties against the place in the sheet (fatigue)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, cluster_variance, clusters
from evalkit.stats.clustered import t_interval
from evalkit.stats.estimate import Estimate, SignificanceTest


@dataclass(frozen=True)
class Trend:
    """Change of the mean per unit of x, and the test that there is none."""

    slope: Estimate
    test: SignificanceTest


def clustered_slope(
    values: npt.ArrayLike,
    x: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    confidence: float = 0.95,
) -> Trend:
    """Least-squares slope of `values` on `x` with a sandwich error clustered by prompt x rater.

    Influence of a vote: (x - mean x)(residual)/Sxx (White 1980; clustered as the headline is). A straight line sums up
    a trend; it need not be one.
    """
    y, place = np.asarray(values, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if y.shape != place.shape:
        raise ValueError(f"{y.size} values and {place.size} places: one of each per vote")
    groups, method = clusters(prompts, raters), "least-squares slope, clustered t, prompt x rater"
    bare = Estimate(None, None, None, y.size, method, groups.prompts, groups.raters or None)
    if y.size < 3 or np.ptp(place) == 0:
        return _without(bare, "undefined because all votes have one place, or there are too few")
    centred = place - place.mean()
    total = float(centred @ centred)
    slope = float(centred @ y) / total
    value = Estimate(slope, None, None, y.size, method, groups.prompts, groups.raters or None)
    if groups.prompts < FEWEST_PROMPTS:
        return _without(value, f"under {FEWEST_PROMPTS} prompts: no interval and no test")
    residual = y - y.mean() - slope * centred
    fit = cluster_variance(centred * residual / total, groups)
    error, df = sqrt(float(fit.variance[0])), float(fit.degrees_of_freedom[0])
    if error < 1e-12:
        return _without(value, "the clusters do not differ: no interval from a variance")
    low, high = t_interval(slope, error, df, confidence)
    estimate = Estimate(slope, low, high, y.size, method, groups.prompts, groups.raters or None)
    p = 2 * float(stats.t.sf(abs(slope) / error, df))
    return Trend(estimate, SignificanceTest(p, y.size, method, slope / error, df))


def _without(bare: Estimate, note: str) -> Trend:
    estimate = Estimate(bare.value, None, None, bare.n, bare.method, bare.prompts, bare.raters, note)
    return Trend(estimate, SignificanceTest(None, bare.n, bare.method, note=note))
