"""Did a result change? The difference of two clustered means: the same study run twice, or before and after."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import (
    FEWEST_PROMPTS,
    FEWEST_RATERS,
    Clusters,
    Floats,
    Scope,
    cluster_variance,
    clusters,
)
from evalkit.stats.clustered import ClusteredMean, clustered_mean, t_interval
from evalkit.stats.estimate import Estimate, SignificanceTest


@dataclass(frozen=True)
class Votes:
    """Votes of one study: coded values with the prompt and the rater of each; the same prompt has the same label."""

    values: npt.ArrayLike
    prompts: npt.ArrayLike
    raters: npt.ArrayLike


def clustered_difference(before: Votes, after: Votes, *, confidence: float = 0.95) -> ClusteredMean:
    """Mean of `after` less mean of `before`, with a t interval that allows for shared prompts and shared raters.

    Variance: the sum of both studies' own (`cluster_variance`) less twice their covariance over shared prompts, so
    that what a prompt does to both cancels out; never below that of the stacked influences, clustered by prompt across
    the studies. Raters are taken as different people (codes are random), which can only widen the interval. Degrees of
    freedom: Welch (1947) and Satterthwaite (1946). Under 8 prompts or 3 raters in either: a value and no interval.
    """
    one, two = (clustered_mean(v.values, v.prompts, v.raters, confidence=confidence) for v in (before, after))
    influence, prompts, raters = _stacked(before, after)
    groups = clusters(prompts, raters)
    value = None if None in (one.estimate.value, two.estimate.value) else _value(two) - _value(one)
    bare = Estimate(value, None, None, influence.size, METHOD, groups.prompts, groups.raters)
    if (note := _why_not(one, two)) is not None or value is None:
        return _without(bare, note or "no votes in one of the two")
    variance = _variance(one, two, influence, groups)
    if variance <= 1e-15:
        return _without(bare, "no value differs: no interval from a variance")
    df, error = _welch(one, two), sqrt(variance)
    low, high = t_interval(value, error, df, confidence)
    estimate = Estimate(value, max(-2.0, low), min(2.0, high), bare.n, METHOD, groups.prompts, groups.raters)
    test = SignificanceTest(2 * float(stats.t.sf(abs(value) / error, df)), bare.n, METHOD, value / error, df)
    naive_error = sqrt(float((influence**2).sum()))
    half = float(stats.norm.isf((1 - confidence) / 2)) * naive_error
    naive = Estimate(value, max(-2.0, value - half), min(2.0, value + half), bare.n, "naive normal")
    return ClusteredMean(estimate, test, naive, error, df, variance / naive_error**2, SCOPE)


METHOD = "difference of two studies, clustered t, prompt x rater"
SCOPE: Scope = "new prompts and new raters"


def _stacked(before: Votes, after: Votes) -> tuple[Floats, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Influence, prompt and rater of every vote of both studies; raters are told apart by study."""
    parts = []
    for sign, votes in ((-1, before), (1, after)):
        values = np.asarray(votes.values, dtype=np.float64)
        share = (values - (values.mean() if values.size else 0.0)) * sign / max(values.size, 1)
        names = np.char.add(f"{sign}:", np.asarray(votes.raters).astype(str))
        parts.append((share, np.asarray(votes.prompts).astype(str), names))
    influence, prompts, raters = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return influence, prompts, raters


def _variance(one: ClusteredMean, two: ClusteredMean, influence: Floats, groups: Clusters) -> float:
    stacked = float(cluster_variance(influence, groups).variance[0])
    first = np.arange(influence.size) < one.estimate.n
    sums = [np.bincount(groups.prompt, influence * part, groups.prompts) for part in (first, ~first)]
    shared = groups.prompts / (groups.prompts - 1) * float(sums[0] @ sums[1])
    own = sum((mean.standard_error or 0.0) ** 2 for mean in (one, two))
    return max(stacked, own + 2 * shared)


def _why_not(one: ClusteredMean, two: ClusteredMean) -> str | None:
    prompts, raters = (min(getattr(m.estimate, what) or 0 for m in (one, two)) for what in ("prompts", "raters"))
    if prompts < FEWEST_PROMPTS:
        return f"under {FEWEST_PROMPTS} prompts in one of the two: no interval and no test"
    if raters < FEWEST_RATERS:
        return f"under {FEWEST_RATERS} raters in one of the two: nothing can be said of new raters"
    return None


def _welch(one: ClusteredMean, two: ClusteredMean) -> float:
    """(V1 + V2)^2 / (V1^2/df1 + V2^2/df2); a study without variance has none to be unsure of."""
    parts = [((m.standard_error or 0.0) ** 2, m.degrees_of_freedom or 1.0) for m in (one, two)]
    total, unsure = sum(v for v, _ in parts), sum(v**2 / df for v, df in parts)
    return total**2 / unsure if unsure > 0 else min(df for _, df in parts)


def _without(bare: Estimate, note: str) -> ClusteredMean:
    estimate = Estimate(bare.value, None, None, bare.n, bare.method, bare.prompts, bare.raters, note)
    test = SignificanceTest(None, bare.n, bare.method, note=note)
    naive = Estimate(bare.value, None, None, bare.n, "naive normal", note=note)
    return ClusteredMean(estimate, test, naive, None, None, None, SCOPE)


def _value(mean: ClusteredMean) -> float:
    return mean.estimate.value or 0.0
