"""Do raters prefer a side of the screen? And does a rater, shown the same pair again, choose the same picture?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Floats, cluster_variance, clusters
from evalkit.stats.clustered import clustered_share, t_interval
from evalkit.stats.estimate import Estimate
from evalkit.stats.pair_likelihood import fit_pairs
from evalkit.stats.strengths import connected


@dataclass(frozen=True)
class PositionEffect:
    """`left_share`: raw share of decisive votes for the left. `intercept`: logit of the left between equal systems.

    `left_if_equal` is the intercept as a probability; 0.5 is no position effect.
    """

    left_share: Estimate
    intercept: Estimate
    left_if_equal: Estimate


@dataclass(frozen=True)
class RepeatConsistency:
    """Same pair, sides swapped: share of equal answers, Cohen's kappa, and share that kept the side instead."""

    same_system: Estimate
    kappa: Estimate
    same_side: Estimate


def position_effect(
    left_won: npt.ArrayLike,
    a_is_left: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    confidence: float = 0.95,
) -> PositionEffect:
    """Logit P(left wins) = intercept +- preference for system A, over the decisive votes on two systems.

    Saturated, so in closed form: the intercept is the mean of logit P(left) where A was left and where B was
    (the order effect of Davidson and Beaver 1977). Clustered by prompt x rater like the headline.
    """
    left, a_left = np.asarray(left_won, dtype=bool), np.asarray(a_is_left, dtype=bool)
    share = clustered_share(left, prompts, raters, confidence=confidence)
    base = replace(share, value=None, low=None, high=None, method=share.method.replace("Wilson on n/deff", "logit"))
    arms = [a_left, ~a_left]
    if not all(left[arm].any() and (~left[arm]).any() for arm in arms):
        note = "undefined because with one of the two orders every decisive vote went one way, or there was none"
        nothing = replace(base, note=note)
        return PositionEffect(share, nothing, nothing)
    shares = [float(left[arm].mean()) for arm in arms]
    influence = sum(arm * (left - p) / (2 * arm.sum() * p * (1 - p)) for arm, p in zip(arms, shares, strict=True))
    value = sum(float(np.log(p / (1 - p))) for p in shares) / 2
    intercept = _with_t_interval(replace(base, value=value), np.asarray(influence), prompts, raters, confidence)
    return PositionEffect(share, intercept, as_probability(intercept))


def order_effect(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    outcomes: npt.ArrayLike,
    first_is_left: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    ties: bool = False,
    confidence: float = 0.95,
) -> Estimate:
    """The position effect over all systems at once: logit by which the left wins between equal systems.

    Bradley-Terry (`ties=True`: Davidson) with the order effect of Davidson and Beaver (1977), the home advantage of
    sports; sandwich error clustered by prompt x rater. Outcome 1: `first` won, -1: `second`, 0: tie; ties are dropped
    unless `ties`. No finite estimate where the wins do not connect all systems, or all decisive votes went to one side.
    """
    outcome, left = np.asarray(outcomes, dtype=np.int64), np.asarray(first_is_left, dtype=bool)
    kept = np.ones(outcome.size, dtype=bool) if ties else outcome != 0
    names, codes = np.unique(np.stack([np.asarray(first)[kept], np.asarray(second)[kept]]), return_inverse=True)
    codes, outcome, left = codes.reshape(2, -1).astype(np.intp), outcome[kept], left[kept]
    labels = np.asarray(prompts)[kept], None if raters is None else np.asarray(raters)[kept]
    groups = clusters(*labels)
    method = ("Davidson" if ties else "Bradley-Terry") + " with order effect, prompt x rater sandwich"
    bare = Estimate(None, None, None, outcome.size, method, groups.prompts, groups.raters or None)
    decisive = outcome != 0
    if names.size < 2 or not connected(codes[0], codes[1], outcome, names.size):
        return replace(bare, note="no finite estimate: some systems never beat the others")
    if np.unique((outcome > 0)[decisive] == left[decisive]).size < 2:
        return replace(bare, note="no finite estimate: every decisive vote went to one side")
    fit = fit_pairs(codes[0], codes[1], outcome, names.size, first_is_left=left)
    return _with_t_interval(replace(bare, value=fit.order_effect), np.asarray(fit.order_influence), *labels, confidence)


def repeat_consistency(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    systems: tuple[str, str] = ("a", "b"),
    confidence: float = 0.95,
) -> RepeatConsistency:
    """First and second answer of a rater to one pair, the second with the sides swapped, both coded as systems.

    Kept the side: both answers decisive, for different systems. Kappa: Cohen (1960), delta-method t interval clustered.
    """
    one, two = np.asarray(first), np.asarray(second)
    decisive = np.isin(one, systems) & np.isin(two, systems)
    labels = np.asarray(prompts), None if raters is None else np.asarray(raters)
    decisive_labels = labels[0][decisive], None if labels[1] is None else labels[1][decisive]
    same = clustered_share(one == two, *labels, confidence=confidence)
    side = clustered_share((one != two)[decisive], *decisive_labels, confidence=confidence)
    return RepeatConsistency(same, _kappa(one, two, same, prompts, raters, confidence), side)


def _kappa(
    one: npt.NDArray[np.generic],
    two: npt.NDArray[np.generic],
    same: Estimate,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    confidence: float,
) -> Estimate:
    method = same.method.replace("Wilson on n/deff", "Cohen kappa, clustered t")
    base = replace(same, value=None, low=None, high=None, method=method)
    if one.size == 0:
        return base
    choices = np.unique(np.concatenate([one, two]))
    if choices.size == 1:
        return replace(base, note="undefined because every answer is the same")
    is_one, is_two = (side[:, None] == choices for side in (one, two))
    share_one, share_two = is_one.mean(axis=0), is_two.mean(axis=0)
    observed, expected = float((one == two).mean()), float(share_one @ share_two)
    value = (observed - expected) / (1 - expected)
    chance = is_one @ share_two + is_two @ share_one - 2 * expected
    influence = ((one == two) - observed - (1 - value) * chance) / (1 - expected) / one.size
    return _with_t_interval(replace(base, value=value), influence, prompts, raters, confidence)


def _with_t_interval(
    base: Estimate, influence: Floats, prompts: npt.ArrayLike, raters: npt.ArrayLike | None, confidence: float
) -> Estimate:
    fit = cluster_variance(influence, clusters(prompts, raters))
    error = sqrt(float(fit.variance[0]))
    if base.value is None or (base.prompts or 0) < FEWEST_PROMPTS:
        return replace(base, note=f"under {FEWEST_PROMPTS} prompts: no interval")
    if error < 1e-9:
        return replace(base, note="the clusters do not differ: no interval from a variance")
    low, high = t_interval(base.value, error, float(fit.degrees_of_freedom[0]), confidence)
    return replace(base, low=low, high=high)


def as_probability(logit: Estimate) -> Estimate:
    """A logit and its interval on the scale of shares."""
    value, low, high = (None if x is None else 1 / (1 + exp(-x)) for x in (logit.value, logit.low, logit.high))
    return replace(logit, value=value, low=low, high=high, method=f"{logit.method}, as a probability")
