"""The concave likelihood of votes on pairs: Bradley-Terry, and Davidson where there are ties.

With z = log-ratio of a pair: P(first) = e^z/Z, P(second) = 1/Z, P(tie) = nu e^(z/2)/Z. Parameters are the
log-strengths of all systems but the first (which is 0), where sides are given the order effect, and, with ties, ln nu.
Points: win 1, tie 1/2, loss 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from evalkit.stats.cluster_variance import Codes, Floats


@dataclass(frozen=True)
class PairVotes:
    """`design` (votes, systems - 1) holds 1 for the first system of a vote and -1 for the second.

    Where sides are given it has one more column: 1 where the first system stood on the left, else -1.
    """

    design: Floats
    points: Floats
    tied: Floats

    @property
    def has_ties(self) -> bool:
        return bool(self.tied.any())


@dataclass(frozen=True)
class PairFit:
    """Log-strengths with mean 0 (systems,), the influence of each vote on them (systems, votes), Davidson's nu.

    `order_effect`: logit by which the left wins between equal systems, with its influence (votes,); None without sides.
    """

    log_strengths: Floats
    influence: Floats
    tie_parameter: float | None
    order_effect: float | None = None
    order_influence: Floats | None = None


def fit_pairs(
    first: Codes,
    second: Codes,
    outcomes: npt.NDArray[np.int64],
    systems: int,
    *,
    first_is_left: npt.NDArray[np.bool_] | None = None,
) -> PairFit:
    """Maximum likelihood of outcomes 1, -1, 0 between systems coded 0..systems-1 (trust-region Newton).

    `first_is_left`: adds the order effect of Davidson and Beaver (1977), the home advantage of sports.
    """
    votes = _pair_votes(first, second, outcomes, systems)
    if first_is_left is not None:
        side = np.where(first_is_left, 1.0, -1.0)
        votes = PairVotes(np.column_stack([votes.design, side]), votes.points, votes.tied)
    columns = votes.design.shape[1]
    fit = optimize.minimize(
        lambda parameters: -_log_likelihood(votes, parameters),
        np.zeros(columns + votes.has_ties),
        jac=lambda parameters: -_scores(votes, parameters).sum(axis=0),
        hess=lambda parameters: _information(votes, parameters),
        method="trust-exact",
        options={"gtol": 1e-10 * outcomes.size},
    )
    centre = np.eye(systems)[:, 1:] - 1 / systems
    influence = np.linalg.solve(_information(votes, fit.x), _scores(votes, fit.x).T)
    nu = float(np.exp(fit.x[-1])) if votes.has_ties else None
    strengths = centre @ fit.x[: systems - 1], centre @ influence[: systems - 1]
    if first_is_left is None:
        return PairFit(*strengths, nu)
    return PairFit(*strengths, nu, float(fit.x[columns - 1]), influence[columns - 1])


def _pair_votes(first: Codes, second: Codes, outcomes: npt.NDArray[np.int64], systems: int) -> PairVotes:
    rows = np.arange(outcomes.size)
    design = np.zeros((outcomes.size, systems))
    design[rows, first], design[rows, second] = 1, -1
    return PairVotes(design[:, 1:], (outcomes + 1) / 2, (outcomes == 0).astype(np.float64))


def _logits(votes: PairVotes, parameters: Floats) -> Floats:
    """Log-weights of win, loss and tie, shape (3, votes)."""
    gap = votes.design @ parameters[: votes.design.shape[1]]
    tie = gap / 2 + parameters[-1] if votes.has_ties else np.full_like(gap, -np.inf)
    return np.stack([gap, np.zeros_like(gap), tie])


def _log_likelihood(votes: PairVotes, parameters: Floats) -> float:
    logits = _logits(votes, parameters)
    chosen = votes.points * logits[0] + (votes.tied * parameters[-1] if votes.has_ties else 0)
    return float((chosen - special.logsumexp(logits, axis=0)).sum())


def _scores(votes: PairVotes, parameters: Floats) -> Floats:
    win, _, tie = special.softmax(_logits(votes, parameters), axis=0)
    strengths = votes.design * (votes.points - win - tie / 2)[:, None]
    return np.column_stack([strengths, votes.tied - tie]) if votes.has_ties else strengths


def _information(votes: PairVotes, parameters: Floats) -> Floats:
    """Sum over votes of the covariance of (points x design, tied)."""
    win, _, tie = special.softmax(_logits(votes, parameters), axis=0)
    points = win + tie / 2
    strengths: Floats = votes.design.T @ (votes.design * (win + tie / 4 - points**2)[:, None])
    if not votes.has_ties:
        return strengths
    mixed = votes.design.T @ (tie / 2 - points * tie)
    return np.block([[strengths, mixed[:, None]], [mixed[None, :], np.array([[(tie - tie**2).sum()]])]])
