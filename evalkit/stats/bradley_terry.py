"""Two systems: how strongly one is preferred, as a log-ratio and in Elo points, with the ties modelled or left out.

"Neither" is never a tie (both fail) and stays out of every model here. Three or more systems: `strengths`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.cluster_variance import cluster_variance, clusters
from evalkit.stats.clustered import clustered_share, t_interval
from evalkit.stats.estimate import Estimate

ELO_PER_LOG_RATIO = 400 / log(10)
ONE_SIDED = "no finite value: one system won no vote; the interval is one-sided"


@dataclass(frozen=True)
class TieModel:
    """`log_ratio` of strengths and the tie parameter (Davidson's nu, Rao and Kupper's theta)."""

    log_ratio: float | None
    tie_parameter: float | None
    n: int
    method: str
    note: str | None = None


def log_ratio(wins: int, losses: int, *, confidence: float = 0.95) -> Estimate:
    """Bradley-Terry log-ratio ln(W/L), se sqrt(1/W + 1/L), each vote independent (Bradley and Terry 1952). Naive.

    Without a win (or a loss) there is no finite value: a one-sided interval from the exact (Clopper-Pearson) bound.
    """
    n, method = wins + losses, "Bradley-Terry, naive"
    if n == 0:
        return Estimate(None, None, None, 0, method, note="no decisive vote")
    if wins == 0 or losses == 0:
        bound = log((1 - confidence) ** (1 / n) / (1 - (1 - confidence) ** (1 / n)))
        low, high = (bound, None) if losses == 0 else (None, -bound)
        return Estimate(None, low, high, n, method, note=ONE_SIDED)
    value, error = log(wins / losses), sqrt(1 / wins + 1 / losses)
    half = float(stats.norm.isf((1 - confidence) / 2)) * error
    return Estimate(value, value - half, value + half, n, method)


def clustered_log_ratio(
    values: npt.ArrayLike, prompts: npt.ArrayLike, raters: npt.ArrayLike | None, *, confidence: float = 0.95
) -> Estimate:
    """ln(W/L) of votes coded 1, -1 (0 for a tie or neither), delta-method t interval clustered by prompt x rater.

    It is also Davidson's log-ratio: with two systems the ties do not move it. n counts decisive votes.
    """
    votes = np.asarray(values, dtype=np.float64)
    kept = votes != 0
    won = votes[kept] > 0
    labels = np.asarray(prompts)[kept], None if raters is None else np.asarray(raters)[kept]
    share = clustered_share(won, *labels, confidence=confidence)
    base = replace(
        share,
        value=_finite_logit(share.value),
        low=_finite_logit(share.low),
        high=_finite_logit(share.high),
        method=share.method.replace("Wilson on n/deff", "Bradley-Terry, clustered"),
    )
    if share.value in (0.0, 1.0):
        return replace(base, note=share.note or ONE_SIDED)
    if share.value is None or share.low is None:
        return base
    fit = cluster_variance(np.where(won, 1 / won.sum(), -1 / (~won).sum()), clusters(*labels))
    error, df = sqrt(float(fit.variance[0])), float(fit.degrees_of_freedom[0])
    if base.value is None or error < 1e-9:
        return base
    low, high = t_interval(base.value, error, df, confidence)
    return replace(base, low=low, high=high)


def elo(strength: Estimate) -> Estimate:
    """The same estimate on the Elo scale: 400/ln 10 points per unit of log-ratio."""
    value, low, high = (
        None if x is None else x * ELO_PER_LOG_RATIO for x in (strength.value, strength.low, strength.high)
    )
    return replace(strength, value=value, low=low, high=high, method=f"{strength.method}, Elo points")


def davidson(wins: int, losses: int, ties: int) -> TieModel:
    """Davidson (1970) of two systems: P(tie) = nu sqrt(ab)/(a + b + nu sqrt(ab)), so nu = T/sqrt(W L)."""
    n, method = wins + losses + ties, "Davidson"
    if wins == 0 or losses == 0:
        return TieModel(None, None, n, method, "no finite value: one system won no vote")
    return TieModel(log(wins / losses), ties / sqrt(wins * losses), n, method)


def rao_kupper(wins: int, losses: int, ties: int) -> TieModel:
    """Rao and Kupper (1967) of two systems: P(A) = a/(a + theta b), theta >= 1 is the threshold of a noticed gap.

    theta^2 = (odds against A)(odds against B) and (a/b)^2 = (odds for A)(odds against B), ties among the odds' others.
    """
    n, method = wins + losses + ties, "Rao-Kupper"
    if wins == 0 or losses == 0:
        return TieModel(None, None, n, method, "no finite value: one system won no vote")
    against_a, against_b = (n - wins) / wins, (n - losses) / losses
    return TieModel(log(against_b / against_a) / 2, sqrt(against_a * against_b), n, method)


def _finite_logit(share: float | None) -> float | None:
    return None if share is None or not 0 < share < 1 else log(share / (1 - share))
