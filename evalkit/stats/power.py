"""How many decisive votes the exact sign test needs, were every vote independent. Clustered designs: `planning`.

There is no observed power here: after the data, the smallest detectable share says what a study could have seen.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from evalkit.stats.cluster_variance import Floats


def sign_test_power(share: float, decisive: npt.ArrayLike, *, alpha: float = 0.05) -> Floats:
    """Chance that the exact two-sided sign test rejects, if a decisive vote is a win with probability `share`.

    `decisive`: one number of votes or many; the same shape comes back.
    """
    votes = np.asarray(decisive, dtype=np.int64)
    fewest = stats.binom.ppf(alpha / 2, votes, 0.5)
    fewest = np.where(stats.binom.cdf(fewest, votes, 0.5) > alpha / 2, fewest - 1, fewest)
    power: Floats = stats.binom.cdf(fewest, votes, share) + stats.binom.sf(votes - fewest - 1, votes, share)
    return power


def decisive_votes_needed(share: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Smallest number of decisive votes from which on every larger number too has at least `power` (exact).

    The power of an exact test saws up and down with n: the first n that reaches it is too small.
    """
    if not 0 < share < 1 or share == 0.5:
        raise ValueError(f"a share of {share} cannot be detected: it must differ from one half, 0 and 1")
    quantiles = float(stats.norm.isf(alpha / 2)) + float(stats.norm.ppf(power))
    bound = 100 + 2 * ceil((quantiles / (2 * abs(share - 0.5))) ** 2)
    too_weak = np.flatnonzero(sign_test_power(share, np.arange(bound + 1), alpha=alpha) < power)
    return int(too_weak[-1]) + 1


def votes_needed(decisive: int, decisive_share: float) -> int:
    """All votes that bring `decisive` decisive ones, if `decisive_share` of all votes are decisive."""
    if not 0 < decisive_share <= 1:
        raise ValueError(f"a decisive share of {decisive_share} brings no votes: it must be above 0 and at most 1")
    return ceil(decisive / decisive_share - 1e-9)


def smallest_detectable_share(decisive: int, *, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Smallest share of wins above one half seen with `power` among `decisive` votes; None if no share is."""
    if sign_test_power(1.0, decisive, alpha=alpha) < power:
        return None
    return float(optimize.brentq(lambda share: sign_test_power(share, decisive, alpha=alpha) - power, 0.5, 1.0))
