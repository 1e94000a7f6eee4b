"""Shares and preferences of independent votes: intervals, the sign test and the trinomial test.

Everything here takes each vote as independent of every other. Votes on one prompt or by one rater are not:
`evalkit.stats.clustered` has the headline, and these are printed beside it, named naive.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import stats

from evalkit.stats.estimate import Estimate, SignificanceTest


def wilson(successes: float, n: int, *, confidence: float = 0.95) -> Estimate:
    """Share of `successes` among `n` with the Wilson score interval (Wilson 1927; Newcombe 1998, method 3)."""
    return wilson_effective(successes, n, effective_n=n, confidence=confidence)


def wilson_effective(
    successes: float, n: int, effective_n: float, *, confidence: float = 0.95, method: str = "Wilson"
) -> Estimate:
    """Wilson interval of `successes`/`n` as if `effective_n` votes had been cast (Korn and Graubard 1998).

    `effective_n` is n over the design effect; it changes the width, never the share.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes do not fit {n} votes")
    if n == 0 or effective_n <= 0:
        return Estimate(None, None, None, n, method, note="no votes")
    share = successes / n
    z2 = float(stats.norm.isf((1 - confidence) / 2)) ** 2
    centre = (share + z2 / (2 * effective_n)) / (1 + z2 / effective_n)
    half = sqrt(z2 * (share * (1 - share) + z2 / (4 * effective_n)) / effective_n) / (1 + z2 / effective_n)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(share, low, high, n, method)


def goodman(counts: Sequence[int], *, confidence: float = 0.95) -> tuple[Estimate, ...]:
    """Simultaneous intervals of all shares of one table (Goodman 1965): Wilson at a Bonferroni level."""
    n = sum(counts)
    if not counts:
        return ()
    level = 1 - (1 - confidence) / len(counts)
    return tuple(wilson_effective(k, n, n, confidence=level, method="Goodman, simultaneous") for k in counts)


def sison_glaz(counts: Sequence[int], *, confidence: float = 0.95) -> tuple[Estimate, ...]:
    """Simultaneous intervals of all shares of one table (Sison and Glaz 1995), as computed by statsmodels."""
    from statsmodels.stats.proportion import multinomial_proportions_confint

    n, method = sum(counts), "Sison-Glaz, simultaneous"
    if n == 0:
        return tuple(Estimate(None, None, None, 0, method, note="no votes") for _ in counts)
    if n in counts:
        note = "every vote is in one cell: the method has no interval"
        return tuple(Estimate(k / n, None, None, n, method, note=note) for k in counts)
    bounds = multinomial_proportions_confint(list(counts), alpha=1 - confidence, method="sison-glaz")
    return tuple(
        Estimate(k / n, float(low), float(high), n, method) for k, (low, high) in zip(counts, bounds, strict=True)
    )


def sign_test(wins: int, losses: int, *, mid_p: bool = False) -> SignificanceTest:
    """Exact two-sided sign test of equal wins and losses among decisive votes (Dixon and Mood 1946).

    With `mid_p`, half the probability of what was observed is taken off each tail (Lancaster 1961): less
    conservative, no longer exact. No decisive vote is no evidence: p = 1.
    """
    decisive, fewer = wins + losses, min(wins, losses)
    method = "sign test, mid-p" if mid_p else "sign test, exact binomial"
    tail = float(stats.binom.cdf(fewer, decisive, 0.5))
    if mid_p:
        tail -= float(stats.binom.pmf(fewer, decisive, 0.5)) / 2
    note = None if decisive else "no decisive vote"
    return SignificanceTest(min(1.0, 2 * tail), decisive, method, statistic=float(wins), note=note)


def trinomial_test(wins: int, losses: int, ties: int) -> SignificanceTest:
    """Two-sided trinomial test of equal wins and losses that keeps the ties (Bian, McAleer and Wong 2011).

    Under the null each side wins with probability (1 - ties/n)/2; p is the chance that wins and losses differ by at
    least as much as observed. "Neither" is not a tie and stays out.
    """
    n, method = wins + losses + ties, "trinomial test"
    if n == 0:
        return SignificanceTest(None, 0, method, note="no votes")
    difference = _null_differences(n, ties / n)
    observed = abs(wins - losses)
    p = 1.0 if observed == 0 else min(1.0, 2 * float(difference[n + observed :].sum()))
    return SignificanceTest(p, n, method, statistic=float(wins - losses))


def _null_differences(n: int, tie_share: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """P(wins - losses = d) for d = -n..n when both sides win with probability (1 - tie_share)/2.

    The n-fold convolution of one vote's distribution, by its characteristic function: exact to 1e-15, n log n.
    """
    angle = 2 * np.pi * np.arange(2 * n + 1) / (2 * n + 1)
    characteristic = (tie_share + (1 - tie_share) * np.cos(angle)) ** n
    return np.asarray(np.fft.fftshift(np.fft.ifft(characteristic).real.clip(min=0)), dtype=np.float64)


def naive_preference(wins: int, losses: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """Net preference d = (wins - losses)/n, se = sqrt(((wins + losses)/n - d^2)/n), normal interval within [-1, 1].

    `n` includes ties and "neither". Naive: the headline is `clustered.clustered_mean` of the votes coded 1, 0, -1.
    """
    method = "naive normal"
    if wins + losses > n:
        raise ValueError(f"{wins} wins and {losses} losses do not fit {n} votes")
    if n == 0:
        return Estimate(None, None, None, 0, method, note="no votes")
    preference = (wins - losses) / n
    variance = ((wins + losses) / n - preference**2) / n
    if variance <= 0:
        return Estimate(preference, None, None, n, method, note="every vote is the same: no interval from a variance")
    half = float(stats.norm.isf((1 - confidence) / 2)) * sqrt(variance)
    return Estimate(preference, max(-1.0, preference - half), min(1.0, preference + half), n, method)
