"""When a distance or a metric may be trusted: the frozen thresholds of the health card, and its verdicts.

`tests/simulation/health.py` measures each threshold's false alarms and misses (HEALTH.md beside it). A verdict rests on
a statistic that is fixed here, never on one chosen after a look at the data.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Floats
from evalkit.stats.estimate import Estimate

Verdict = Literal["fine", "caution", "do not use", "not assessable"]
ORDER: tuple[Verdict, ...] = ("fine", "not assessable", "caution", "do not use")
"""From good to bad; a panel is as bad as its worst part."""

SIMULATED = True
"""Whether the thresholds' false alarms are in that table: until they are, nothing is called fine."""
CHANGE_FINE, CHANGE_MOST = 0.5, 2.0
"""Largest change by another resizing or compression, over the half-width of the distance's own interval."""
BIAS_FINE, BIAS_MOST = 0.10, 0.33
"""Share of the plain distance that is bias."""
CLOSE = 0.5
"""An image is a suspected copy where it is nearer to a training image than half of that one's way to its neighbour."""
COPIES_MOST = 0.02
"""Share of suspected copies above which a distance rewards memorisation too much to be used."""
AUTHENTIC_FINE = 40.0
"""AuthPct of new images from the training set's own population is about 50."""

AGREEMENT_FINE = 0.5
"""How much of the way from chance to the raters' own agreement the lower end of a metric's interval has to reach."""


def worst(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a whole panel; without parts nothing was assessed."""
    return max(verdicts, key=ORDER.index) if verdicts else "not assessable"


def fragility(changes: list[float], distance: Estimate) -> Verdict:
    """Changes of a distance by harmless processing, against its own interval."""
    if not changes or distance.low is None or distance.high is None:
        return "not assessable"
    ratio = max(abs(change) for change in changes) / max((distance.high - distance.low) / 2, 1e-300)
    return _fine() if ratio <= CHANGE_FINE else "caution" if ratio <= CHANGE_MOST else "do not use"


def bias(plain: float, corrected: Estimate) -> Verdict:
    """How much of a plain Frechet distance is there because of the number of images."""
    if corrected.value is None or plain <= 0:
        return "not assessable"
    share = (plain - corrected.value) / plain
    return _fine() if share <= BIAS_FINE else "caution" if share <= BIAS_MOST else "do not use"


def memorisation(closeness: npt.ArrayLike, auth_pct: float, *, is_training_set: bool) -> Verdict:
    """Whether images repeat their training set: `closeness` (n,) from `copy_closeness`. Only for the training set."""
    if not is_training_set:
        return "not assessable"
    copies = float((np.asarray(closeness) < CLOSE).mean())
    if copies > COPIES_MOST:
        return "do not use"
    return _fine() if copies == 0 and auth_pct >= AUTHENTIC_FINE else "caution"


def agreement(metric: Estimate, ceiling: Estimate | None) -> Verdict:
    """A metric's share of right calls on people's votes, against chance and against what raters achieve themselves."""
    if metric.value is None or metric.low is None or metric.high is None:
        return "not assessable"
    if metric.high < 0.5:
        return "do not use"
    if ceiling is None or ceiling.value is None or ceiling.value <= 0.5:
        return "caution"
    return _fine() if metric.low >= 0.5 + AGREEMENT_FINE * (ceiling.value - 0.5) else "caution"


def _fine() -> Verdict:
    return "fine" if SIMULATED else "caution"


def copy_closeness(distance: npt.ArrayLike, own_distance: npt.ArrayLike) -> Floats:
    """Way of each image to its nearest training image, over that one's way to its own nearest other: 0 is a copy.

    Above 1 it counts as authentic (Alaa et al. 2022, arXiv 2102.08921).
    """
    near, own = (np.asarray(one, dtype=np.float64) for one in (distance, own_distance))
    return np.asarray(np.divide(near, own, out=np.where(near > 0, np.inf, 0.0), where=own > 0))


def kendall_tau_b(
    metric: npt.ArrayLike, people: npt.ArrayLike, prompts: npt.ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Kendall's tau-b (1945) of a metric's differences and people's net preferences, one entry a pair of images.

    The interval is the delete-one-prompt jackknife with a t of P - 1 degrees of freedom; under 8 prompts none.
    """
    x, y, labels = np.asarray(metric, dtype=np.float64), np.asarray(people, dtype=np.float64), np.asarray(prompts)
    names, method = np.unique(labels), "Kendall tau-b, jackknife by prompt"
    bare = Estimate(None, None, None, x.size, method, names.size)
    value = _tau(x, y)
    if value is None:
        return Estimate(None, None, None, x.size, method, names.size, note="undefined: one side is all equal")
    left = [_tau(x[labels != name], y[labels != name]) for name in names] if names.size >= FEWEST_PROMPTS else []
    known = [tau for tau in left if tau is not None]
    if len(known) < max(names.size, FEWEST_PROMPTS):
        note = f"under {FEWEST_PROMPTS} prompts: no interval" if not left else "undefined without some prompt"
        return Estimate(value, None, None, bare.n, method, bare.prompts, note=note)
    error = float(np.sqrt((len(known) - 1) * np.var(known)))
    half = float(stats.t.isf((1 - confidence) / 2, len(known) - 1)) * error
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), bare.n, method, bare.prompts)


def _tau(x: Floats, y: Floats) -> float | None:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(stats.kendalltau(x, y).statistic)
