"""The gap of a language: the same prompts and seeds in two languages, scored alike, as a paired difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from evalkit.stats.bootstrap import FEWEST_PROMPTS_FOR_BOOTSTRAP, cluster_bootstrap_mean
from evalkit.stats.clustered import ClusteredMean, clustered_mean
from evalkit.stats.equivalence import Equivalence, equivalence
from evalkit.stats.estimate import Estimate, SignificanceTest

METHODS = ("paired t by prompt", "paired bootstrap by prompt")


@dataclass(frozen=True)
class Gap:
    """Mean difference over prompts (negative: worse than in the base language) with its test of zero."""

    estimate: Estimate
    test: SignificanceTest
    mean: ClusteredMean


def gap(
    differences: npt.ArrayLike,
    prompts: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Gap:
    """The mean over prompts of `differences` (language minus base), one entry per pair of images.

    Every prompt counts once, whatever its number of images. Under 8 prompts a value and no interval; to 99 a paired t
    interval by prompt; from 100 the percentile interval of a bootstrap of whole prompts (with fewer it covers 90-92 %).
    The test is the paired t by prompt at every size.
    """
    names, means = _by_prompt(differences, prompts)
    mean = clustered_mean(means, names, None, confidence=confidence, bounds=None)
    estimate = replace(mean.estimate, method=METHODS[0], n=int(np.size(differences)))
    if names.size >= FEWEST_PROMPTS_FOR_BOOTSTRAP:
        drawn = cluster_bootstrap_mean(means, names, rng=rng, resamples=resamples, confidence=confidence)
        estimate = replace(estimate, low=drawn.low, high=drawn.high, method=METHODS[1])
    return Gap(estimate, replace(mean.test, method=METHODS[0]), mean)


def within_a_third(control: Gap, gaps: list[Gap], *, alpha: float = 0.05) -> Equivalence | None:
    """Whether a control (the base language in other words) is equivalent to the base language: TOST within a third of
    the smallest gap. None where no language has a gap to set the margin by.
    """
    sizes = [abs(found.estimate.value) for found in gaps if found.estimate.value]
    return equivalence(control.mean, min(sizes) / 3, alpha=alpha, largest=inf) if sizes else None


def _by_prompt(
    differences: npt.ArrayLike, prompts: npt.ArrayLike
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    values = np.asarray(differences, dtype=np.float64)
    names, code = np.unique(np.asarray(prompts), return_inverse=True)
    if values.shape != code.shape:
        raise ValueError(f"{values.size} differences and {code.size} prompt labels: one of each per pair of images")
    if not np.isfinite(values).all():
        raise ValueError("a difference is missing (NaN or infinite): count missing images, do not pass them on")
    return names, np.bincount(code, values) / np.bincount(code)


def share_lost(
    base: npt.ArrayLike,
    other: npt.ArrayLike,
    chance: npt.ArrayLike,
    prompts: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """How much of what a prompt achieves above chance is lost in another language: (base - other) / (base - chance).

    A ratio of means over prompts, one entry of each per pair of images; `chance` is the score of the base language's
    image against an unrelated prompt. 0 is no loss, 1 as far from the prompt as an unrelated picture. The interval is
    the t interval of the linearised ratio by prompt (Cochran 1977, section 6.4); none under 8 prompts, and no value
    where the base language is not above chance, since then there is nothing to lose.
    """
    names, lost = _by_prompt(np.asarray(base, dtype=np.float64) - np.asarray(other, dtype=np.float64), prompts)
    _, had = _by_prompt(np.asarray(base, dtype=np.float64) - np.asarray(chance, dtype=np.float64), prompts)
    method, n = "ratio of means, linearised, t by prompt", int(np.size(base))
    above = clustered_mean(had, names, None, confidence=confidence, bounds=None).estimate
    if above.value is None or above.value <= 0 or (above.low is not None and above.low <= 0):
        return Estimate(None, None, None, n, method, names.size, note="the base language is not above chance")
    ratio = float(lost.mean() / had.mean())
    influence = ratio + (lost - ratio * had) / had.mean()
    found = clustered_mean(influence, names, None, confidence=confidence, bounds=None).estimate
    return replace(found, value=ratio, n=n, method=method)
