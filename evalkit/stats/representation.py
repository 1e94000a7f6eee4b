"""Who is shown, against a named reference: total variation, its interval, what a fair system scores by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.estimate import Estimate, SignificanceTest

Floats = npt.NDArray[np.float64]
TV_METHOD = "total variation, from simultaneous clustered Wilson intervals by prompt"


@dataclass(frozen=True)
class NullFloor:
    """What a system that draws from the reference itself scores with n images: its mean and its 95th percentile."""

    mean: float
    upper: float
    n: int


@dataclass(frozen=True)
class Representation:
    """Shares of the classes among images with a known class, their distance from the reference, its test."""

    shares: tuple[Estimate, ...]
    distance: Estimate
    floor: NullFloor | None
    test: SignificanceTest


def represent(
    classes: Sequence[int],
    prompts: npt.ArrayLike,
    reference: Sequence[float],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Representation:
    """Distance of the classes of images (codes 0..k-1, unknown ones left out by the caller) from `reference` shares.

    The interval is the range of total variation over the box of simultaneous (Bonferroni) share intervals: valid where
    those are, and wide with many classes. None under 8 prompts.
    """
    wanted, codes = _reference(reference), np.asarray(classes, dtype=np.intp)
    n = codes.size
    if n == 0:
        nothing = Estimate(None, None, None, 0, TV_METHOD, note="no image with a known class")
        return Representation((), nothing, None, SignificanceTest(None, 0, "chi-square", note=nothing.note))
    hits = [(codes == place).astype(np.float64) for place in range(wanted.size)]
    level = 1 - (1 - confidence) / (1 if wanted.size == 2 else wanted.size)
    shares = tuple(clustered_share(hit, prompts, None, confidence=confidence) for hit in hits)
    box = [clustered_share(hit, prompts, None, confidence=level) for hit in hits]
    value = total_variation([share.value or 0.0 for share in shares], wanted)
    low, high = _range(box, wanted)
    distance = Estimate(value, low, high, n, TV_METHOD, shares[0].prompts, note=shares[0].note)
    return Representation(shares, distance, null_floor(n, wanted, seed=seed), _chi_square(hits, prompts, wanted))


def total_variation(shares: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Half the sum of absolute differences: 0 is the reference itself, 1 nothing in common."""
    return float(np.abs(np.asarray(shares, dtype=np.float64) - np.asarray(reference, dtype=np.float64)).sum() / 2)


def null_floor(n: int, reference: npt.ArrayLike, *, seed: int = 0, draws: int = 20_000) -> NullFloor:
    """Total variation of n independent draws from the reference: never 0 at small n.

    The mean is exact (mean absolute deviation of a binomial, de Moivre 1730); the percentile is simulated.
    """
    wanted = _reference(reference)
    mean = float(sum(_mean_deviation(n, share) for share in wanted) / 2 / n)
    counts = np.random.default_rng(seed).multinomial(n, wanted, size=draws)
    distances = np.abs(counts / n - wanted).sum(axis=1) / 2
    return NullFloor(mean, float(np.quantile(distances, 0.95)), n)


def with_error(share: float, error: float) -> float:
    """The share of one of two classes if each is taken for the other at rate `error` (Rogan and Gladen 1978)."""
    if not 0 <= error < 0.5:
        raise ValueError(f"an error rate of {error} tells nothing: it must be at least 0 and below one half")
    return float(np.clip((share - error) / (1 - 2 * error), 0, 1))


def _mean_deviation(n: int, share: float) -> float:
    """E|X - n p| of a binomial: 2 v (1 - p) P(X = v) with v = floor(n p) + 1."""
    if share in (0.0, 1.0):
        return 0.0
    v = int(np.floor(n * share)) + 1
    return float(2 * v * (1 - share) * stats.binom.pmf(v, n, share))


def _range(box: Sequence[Estimate], wanted: Floats) -> tuple[float | None, float | None]:
    if any(share.low is None or share.high is None for share in box):
        return None, None
    low, high = (np.array([getattr(share, end) for share in box], dtype=np.float64) for end in ("low", "high"))
    least = max(np.maximum(low - wanted, 0).sum(), np.maximum(wanted - high, 0).sum())
    most = min(np.maximum(high - wanted, 0).sum(), np.maximum(wanted - low, 0).sum())
    return float(least), float(min(1.0, most))


def _chi_square(hits: Sequence[Floats], prompts: npt.ArrayLike, wanted: Floats) -> SignificanceTest:
    """Goodness of fit, first-order Rao-Scott (1981) for images that share a prompt: X^2 over the mean design effect."""
    n, method = hits[0].size, "chi-square, Rao-Scott by prompt"
    kept = wanted > 0
    counts = np.array([hit.sum() for hit in hits])
    if counts[~kept].any():
        return SignificanceTest(0.0, n, method, note="a class that the reference does not have")
    effects = [clustered_mean(hit, prompts, None, bounds=(0, 1)).design_effect for hit in hits]
    known = [(effect, 1 - share) for effect, share in zip(effects, wanted, strict=True) if effect is not None]
    if len(np.unique(np.asarray(prompts))) < 8 or not known or kept.sum() < 2:
        return SignificanceTest(None, n, method, note="under 8 prompts, or nothing varies: no test")
    effect = max(1.0, sum(e * w for e, w in known) / sum(w for _, w in known))
    statistic = float((((counts - n * wanted) ** 2)[kept] / (n * wanted[kept])).sum() / effect)
    df = float(kept.sum() - 1)
    return SignificanceTest(float(stats.chi2.sf(statistic, df)), n, method, statistic, df)


def _reference(shares: npt.ArrayLike) -> Floats:
    found = np.asarray(shares, dtype=np.float64)
    if (found < 0).any() or abs(found.sum() - 1) > 1e-6:
        raise ValueError(f"reference shares must add up to 1, these to {found.sum():g}")
    return found
