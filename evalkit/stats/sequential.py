"""When a study has enough votes: a rule on the width of the interval, which may be looked at without a penalty.

Stopping for effect is not offered: it needs alpha spending over cluster-robust looks, planned before the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Literal

from scipy import special

from evalkit.stats.estimate import Estimate


@dataclass(frozen=True)
class Precision:
    """`verdict` says nothing about who leads. `half_width` is None while there is no interval."""

    verdict: Literal["enough", "not yet"]
    half_width: float | None
    planned_half_width: float
    n: int


@dataclass(frozen=True)
class EValue:
    """Evidence against equal systems; `stop_at` is 1/alpha."""

    value: float
    stop_at: float
    n: int
    method: str = "e-value, uniform mixture, independent votes only"


def precision(headline: Estimate, planned_half_width: float) -> Precision:
    """Enough once the headline's half-width is at most the planned one.

    To be asked at the looks listed in the plan and on complete sheets; the width must not choose the look.
    """
    if planned_half_width <= 0:
        raise ValueError(f"the planned half-width is {planned_half_width}: it must be above 0")
    if headline.low is None or headline.high is None:
        return Precision("not yet", None, planned_half_width, headline.n)
    half = (headline.high - headline.low) / 2
    return Precision("enough" if half <= planned_half_width else "not yet", half, planned_half_width, headline.n)


def e_value(wins: int, losses: int, *, alpha: float = 0.05) -> EValue:
    """E = 2^m Beta(W + 1, L + 1) of m decisive votes: a uniform mixture against 1/2 (Robbins 1970).

    Anytime-valid for independent votes only. With shared prompts or raters it stops wrongly in 15-40 % of null studies
    (simulated): it is information, not a rule.
    """
    decisive = wins + losses
    value = exp(decisive * log(2) + float(special.betaln(wins + 1, losses + 1)))
    return EValue(value, 1 / alpha, decisive)
