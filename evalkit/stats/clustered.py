"""The headline: the mean of clustered votes with the two-way (prompt x rater) cluster-robust interval.

Votes coded 1 (first system), -1 (second), 0 (tie or neither) make it the net preference d = (W - L)/n. The estimand is
new prompts and new raters: the smaller of prompts and raters is the sample size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import (
    FEWEST_PROMPTS,
    Clusters,
    Floats,
    Scope,
    cluster_variance,
    clusters,
)
from evalkit.stats.estimate import Estimate, SignificanceTest
from evalkit.stats.proportion import wilson_effective


@dataclass(frozen=True)
class ClusteredMean:
    """A mean, its clustered interval and test, and the naive interval beside it.

    `design_effect` is clustered over naive variance; `scope` says of whom the interval speaks. What cannot be computed
    is None, and `estimate.note` says why.
    """

    estimate: Estimate
    test: SignificanceTest
    naive: Estimate
    standard_error: float | None
    degrees_of_freedom: float | None
    design_effect: float | None
    scope: Scope


def clustered_mean(
    values: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> ClusteredMean:
    """Mean of `values` with a t interval that allows for shared prompts and shared raters, and a test of zero.

    Args: `values`, `prompts`, `raters`: one entry per vote (any labels); `raters=None` when there are none (scores).
        `bounds`: the range that the mean cannot leave; None for no range.
    Under 8 prompts: a value and no interval. Two raters or fewer: the prompt-level interval, "these raters only".
    Sources: `cluster_variance.cluster_variance`.
    """
    votes = _finite(values)
    groups = clusters(prompts, raters)
    if votes.shape != groups.prompt.shape:
        raise ValueError(f"{votes.size} values and {groups.prompt.size} prompt labels: one of each per vote")
    if votes.size == 0:
        return _without_interval(votes, groups, "no votes")
    if groups.prompts < FEWEST_PROMPTS:
        return _without_interval(votes, groups, f"under {FEWEST_PROMPTS} prompts: no interval and no test")
    if np.ptp(votes) == 0:
        return _without_interval(votes, groups, "every value is the same: no interval from a variance")
    return _with_interval(votes, groups, confidence, bounds)


def clustered_share(
    hits: npt.ArrayLike, prompts: npt.ArrayLike, raters: npt.ArrayLike | None, *, confidence: float = 0.95
) -> Estimate:
    """Share of votes that are hits: Wilson on n over the design effect (Korn and Graubard 1998).

    The effective n is n/deff scaled by (z/t)^2 of the clustered degrees of freedom and never above n. Where every vote
    is the same no design effect can be seen: the smaller of prompts and raters is taken for n.
    """
    values = _finite(hits)
    mean = clustered_mean(values, prompts, raters, confidence=confidence, bounds=(0.0, 1.0))
    base = replace(mean.estimate, method=_method("Wilson on n/deff", mean.scope))
    if mean.estimate.value is None or (base.prompts or 0) < FEWEST_PROMPTS:
        return base
    wilson = wilson_effective(float(values.sum()), values.size, _effective_n(mean, confidence), confidence=confidence)
    return replace(base, low=wilson.low, high=wilson.high, note=None)


def t_interval(
    value: float, standard_error: float, degrees_of_freedom: float, confidence: float
) -> tuple[float, float]:
    """Low and high end of value +- t * standard error."""
    half = float(stats.t.isf((1 - confidence) / 2, degrees_of_freedom)) * standard_error
    return value - half, value + half


def _with_interval(
    votes: Floats, groups: Clusters, confidence: float, bounds: tuple[float, float] | None
) -> ClusteredMean:
    n, value = votes.size, float(votes.mean())
    influence = (votes - value) / n
    fit = cluster_variance(influence, groups)
    variance, df = float(fit.variance[0]), float(fit.degrees_of_freedom[0])
    naive_variance = float((influence**2).sum())
    if variance <= naive_variance * 1e-12:
        return _without_interval(votes, groups, "every prompt has the same mean: no interval from a variance")
    low, high = _within(*t_interval(value, sqrt(variance), df, confidence), bounds)
    method = _method("clustered t", groups.scope)
    t = value / sqrt(variance)
    return ClusteredMean(
        estimate=Estimate(value, low, high, n, method, groups.prompts, _raters(groups)),
        test=SignificanceTest(2 * float(stats.t.sf(abs(t), df)), n, method, t, df),
        naive=_naive(votes, confidence, bounds),
        standard_error=sqrt(variance),
        degrees_of_freedom=df,
        design_effect=variance / naive_variance,
        scope=groups.scope,
    )


def _without_interval(votes: Floats, groups: Clusters, note: str) -> ClusteredMean:
    value = float(votes.mean()) if votes.size else None
    method = _method("clustered t", groups.scope)
    nothing_differs = groups.prompts >= FEWEST_PROMPTS and votes.size > 0 and not votes.any()
    return ClusteredMean(
        estimate=Estimate(value, None, None, votes.size, method, groups.prompts, _raters(groups), note),
        test=SignificanceTest(1.0 if nothing_differs else None, votes.size, method, note=note),
        naive=Estimate(value, None, None, votes.size, "naive normal", note=note),
        standard_error=None,
        degrees_of_freedom=None,
        design_effect=None,
        scope=groups.scope,
    )


def _effective_n(mean: ClusteredMean, confidence: float) -> float:
    estimate, tail = mean.estimate, (1 - confidence) / 2
    if mean.design_effect is None or mean.degrees_of_freedom is None:
        return float(min(estimate.prompts or 0, estimate.raters or estimate.prompts or 0))
    ratio = float(stats.norm.isf(tail) / stats.t.isf(tail, mean.degrees_of_freedom))
    return min(float(estimate.n), estimate.n / mean.design_effect * ratio**2)


def _naive(votes: Floats, confidence: float, bounds: tuple[float, float] | None) -> Estimate:
    value = float(votes.mean())
    half = float(stats.norm.isf((1 - confidence) / 2)) * float(votes.std()) / sqrt(votes.size)
    low, high = _within(value - half, value + half, bounds)
    return Estimate(value, low, high, votes.size, "naive normal")


def _within(low: float, high: float, bounds: tuple[float, float] | None) -> tuple[float, float]:
    return (low, high) if bounds is None else (max(low, bounds[0]), min(high, bounds[1]))


def _raters(groups: Clusters) -> int | None:
    return groups.raters or None


def _method(name: str, scope: Scope) -> str:
    if scope == "new prompts and new raters":
        return f"{name}, prompt x rater"
    return f"{name}, by prompt" if scope == "new prompts" else f"{name}, by prompt, {scope}"


def _finite(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a value is missing (NaN or infinite): count missing votes, do not pass them on")
    return array
