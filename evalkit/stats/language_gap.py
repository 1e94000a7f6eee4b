"""The gap of a language: the same prompts and seeds in two languages, scored alike, as a paired difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from evalkit.stats.clustered import ClusteredMean, clustered_mean
from evalkit.stats.equivalence import Equivalence, equivalence
from evalkit.stats.estimate import Estimate, SignificanceTest
from evalkit.stats.pairing import mean_by_prompt, prompt_means

BOOTSTRAPPED = "paired bootstrap by prompt"


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
    found = mean_by_prompt(differences, prompts, rng=rng, confidence=confidence, resamples=resamples)
    estimate = replace(found.estimate, n=int(np.size(differences)))
    if found.bootstrap.low is not None:
        estimate = replace(estimate, low=found.bootstrap.low, high=found.bootstrap.high, method=BOOTSTRAPPED)
    return Gap(estimate, found.test, found.mean)


def vote_gap(
    values: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike,
    other: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """The gap in what raters said: mean over prompts of (mean in the other language - mean in the base language).

    One entry of each per vote; `other` is true where the vote was on the other language. Only prompts with votes in
    both languages count, each once. Each vote's influence on the weighted difference of means is clustered by prompt
    and rater (Cameron, Gelbach and Miller 2011), so that the interval speaks of new prompts and new raters, whether a
    rater read one language or both; `clustered_mean` says where there is none.
    """
    y, prompt = np.asarray(values, dtype=np.float64), np.unique(np.asarray(prompts), return_inverse=True)[1]
    is_other = np.asarray(other, dtype=bool)
    cells = np.zeros((2, int(prompt.max(initial=-1)) + 1))
    np.add.at(cells, (is_other.astype(int), prompt), 1)
    used = np.minimum(cells[0], cells[1])[prompt] > 0
    y, prompt, is_other, people = y[used], prompt[used], is_other[used], np.asarray(raters)[used]
    weight = 1 / (cells[is_other.astype(int), prompt] * np.unique(prompt).size)
    means = [float((weight * y)[is_other == side].sum()) for side in (False, True)]
    centred = np.where(is_other, y - means[1], means[0] - y)
    influence = y.size * weight * centred + means[1] - means[0]
    return clustered_mean(influence, prompt, people, confidence=confidence).estimate


def within_a_third(control: Gap, gaps: list[Gap], *, alpha: float = 0.05) -> Equivalence | None:
    """Whether a control (the base language in other words) is equivalent to the base language: TOST within a third of
    the smallest gap in absolute value, of whichever language: one language without a gap leaves hardly any margin. None
    where no language has a gap to set the margin by, or one a gap of exactly none.
    """
    sizes = [abs(found.estimate.value) for found in gaps if found.estimate.value is not None]
    return equivalence(control.mean, min(sizes) / 3, alpha=alpha, largest=inf) if min(sizes, default=0) > 0 else None


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
    names, lost = prompt_means(np.asarray(base, dtype=np.float64) - np.asarray(other, dtype=np.float64), prompts)
    _, had = prompt_means(np.asarray(base, dtype=np.float64) - np.asarray(chance, dtype=np.float64), prompts)
    method, n = "ratio of means, linearised, t by prompt", int(np.size(base))
    above = clustered_mean(had, names, None, confidence=confidence, bounds=None).estimate
    if above.value is None or above.value <= 0 or (above.low is not None and above.low <= 0):
        return Estimate(None, None, None, n, method, names.size, note="the base language is not above chance")
    ratio = float(lost.mean() / had.mean())
    influence = ratio + (lost - ratio * had) / had.mean()
    found = clustered_mean(influence, names, None, confidence=confidence, bounds=None).estimate
    return replace(found, value=ratio, n=n, method=method)
