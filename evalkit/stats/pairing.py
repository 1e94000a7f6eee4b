"""Two systems scored on the same prompts: the paired difference, and how much hangs on which prompts were drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from evalkit.stats.bootstrap import cluster_bootstrap_mean
from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Floats
from evalkit.stats.clustered import ClusteredMean, clustered_mean
from evalkit.stats.estimate import Estimate, SignificanceTest
from evalkit.stats.proportion import wilson

PAIRED = "paired t by prompt"


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference a - b over prompts, its paired t test, the bootstrap beside it, and whether pairing helped.

    `correlation` of the two systems' prompt means: near zero, shared prompts (or shared noise) bring nothing.
    """

    estimate: Estimate
    test: SignificanceTest
    bootstrap: Estimate
    correlation: Estimate


@dataclass(frozen=True)
class MeanByPrompt:
    """A mean in which every prompt counts once: paired t with its test, and the bootstrap (no interval under 100)."""

    estimate: Estimate
    test: SignificanceTest
    bootstrap: Estimate
    mean: ClusteredMean


@dataclass(frozen=True)
class PromptLottery:
    """Over all prompts `winner` has the higher mean; `other_wins` is how often a draw of few prompts says otherwise."""

    winner: str | None
    other_wins: Estimate


@dataclass(frozen=True)
class _Paired:
    prompts: npt.NDArray[np.generic]
    mean_a: Floats
    mean_b: Floats
    unpaired: int


def paired_difference(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    prompts_a: npt.ArrayLike,
    prompts_b: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> PairedDifference:
    """Difference of two systems' scores, paired by prompt: every prompt counts once, whatever its number of images.

    Prompts that only one system has are left out, and the note counts them. Paired t over prompts; bootstrap over
    prompts only from 100 prompts (with fewer its percentile interval covers 90-92 %); under 8 prompts no interval.
    """
    paired = _paired(scores_a, scores_b, prompts_a, prompts_b)
    difference = paired.mean_a - paired.mean_b
    found = mean_by_prompt(difference, paired.prompts, rng=rng, resamples=resamples, confidence=confidence)
    left_out = f"{paired.unpaired} prompts left out: scored for one system only" if paired.unpaired else None
    note = "; ".join(filter(None, [found.estimate.note, left_out]))
    estimate = replace(found.estimate, note=note or None)
    return PairedDifference(estimate, found.test, found.bootstrap, _correlation(paired, confidence))


def mean_by_prompt(
    differences: npt.ArrayLike,
    prompts: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> MeanByPrompt:
    """The rule of every paired comparison: one difference a prompt (the mean of its own), then t over prompts.

    The bootstrap has an interval from 100 prompts: with fewer its percentiles cover 90-92 %.
    """
    names, means = prompt_means(differences, prompts)
    mean = clustered_mean(means, names, None, confidence=confidence, bounds=None)
    drawn = cluster_bootstrap_mean(means, names, rng=rng, resamples=resamples, confidence=confidence)
    return MeanByPrompt(replace(mean.estimate, method=PAIRED), replace(mean.test, method=PAIRED), drawn, mean)


def prompt_lottery(
    differences: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    names: tuple[str, str] = ("a", "b"),
    draw: int = 10,
    repetitions: int = 10_000,
) -> PromptLottery:
    """How often `draw` random prompts name the other winner than all prompts do, on per-prompt differences a - b.

    Draws without replacement; a draw that ties names nobody. The Wilson interval is Monte-Carlo error only.
    """
    values = np.asarray(differences, dtype=np.float64)
    method = f"share of {repetitions} draws of {draw} prompts, Wilson (Monte-Carlo error)"
    overall = float(values.mean()) if values.size else 0.0
    if values.size < draw or overall == 0:
        note = "both systems have the same mean" if values.size >= draw else f"fewer than {draw} prompts to draw from"
        return PromptLottery(None, Estimate(None, None, None, 0, method, values.size, note=note))
    drawn = np.array([rng.choice(values, draw, replace=False).mean() for _ in range(repetitions)])
    other = int((drawn * np.sign(overall) < 0).sum())
    estimate = replace(wilson(other, repetitions), method=method, prompts=values.size)
    return PromptLottery(names[0] if overall > 0 else names[1], estimate)


def _paired(
    scores_a: npt.ArrayLike, scores_b: npt.ArrayLike, prompts_a: npt.ArrayLike, prompts_b: npt.ArrayLike
) -> _Paired:
    names_a, means_a = prompt_means(scores_a, prompts_a)
    names_b, means_b = prompt_means(scores_b, prompts_b)
    shared, in_a, in_b = np.intersect1d(names_a, names_b, assume_unique=True, return_indices=True)
    unpaired = names_a.size + names_b.size - 2 * shared.size
    return _Paired(shared, means_a[in_a], means_b[in_b], unpaired)


def prompt_means(scores: npt.ArrayLike, prompts: npt.ArrayLike) -> tuple[npt.NDArray[np.generic], Floats]:
    """One mean a prompt, in the order of the names.

    Raises:
        ValueError: a label is lacking, or a score (NaN): missing images are counted, never passed on.
    """
    values = np.asarray(scores, dtype=np.float64)
    names, code = np.unique(np.asarray(prompts), return_inverse=True)
    if values.shape != code.shape:
        raise ValueError(f"{values.size} scores and {code.size} prompt labels: one of each per image")
    if not np.isfinite(values).all():
        raise ValueError("a score is missing (NaN or infinite): list and leave out its image first")
    return names, np.bincount(code, values) / np.bincount(code)


def _correlation(paired: _Paired, confidence: float) -> Estimate:
    """Pearson correlation with the Fisher z interval."""
    n, method = paired.prompts.size, "Pearson, Fisher z"
    if n < FEWEST_PROMPTS or np.ptp(paired.mean_a) == 0 or np.ptp(paired.mean_b) == 0:
        few = (
            f"under {FEWEST_PROMPTS} prompts"
            if n < FEWEST_PROMPTS
            else "undefined because one system's scores are equal"
        )
        return Estimate(None, None, None, n, method, n, note=few)
    result = stats.pearsonr(paired.mean_a, paired.mean_b)
    low, high = result.confidence_interval(confidence)
    return Estimate(float(result.statistic), float(low), float(high), n, method, n)
