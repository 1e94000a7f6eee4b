"""How much a design can see: studies simulated with prompt, image and rater effects, tested by the headline method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Codes, Floats, cluster_variance, clusters
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson


@dataclass(frozen=True)
class Design:
    """`votes_per_pair` of the `raters` judge each of prompts x `images` pairs; the rest of them judge others.

    `completion`: the share of votes that arrive (drop-out takes a rater's last ones).
    """

    prompts: int
    raters: int
    votes_per_pair: int = 1
    images: int = 1
    completion: float = 1.0


@dataclass(frozen=True)
class Effects:
    """A decisive vote is a win with logit `preference` + prompt + image pair + rater effect, all normal."""

    preference: float = 0.0
    prompt_sd: float = 0.8
    image_sd: float = 0.4
    rater_sd: float = 0.3
    tie_share: float = 0.28

    @property
    def net_preference(self) -> float:
        """The d that these effects mean: expected (W - L)/n over new prompts, images and raters."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(81)
        spread = sqrt(self.prompt_sd**2 + self.image_sd**2 + self.rater_sd**2)
        expected = weights @ np.tanh((self.preference + spread * nodes) / 2) / weights.sum()
        return (1 - self.tie_share) * float(expected)


@dataclass(frozen=True)
class SimulatedVotes:
    """`values` (runs, votes): 1, -1 or 0; the prompt and the rater of each vote are the same in all runs."""

    values: Floats
    prompts: Codes
    raters: Codes


@dataclass(frozen=True)
class HeadlineRows:
    """The headline of every run: d, its standard error, half-width and p (NaN half-width and p 1 without variance)."""

    values: Floats
    half_widths: Floats
    p_values: Floats
    design_effects: Floats


@dataclass(frozen=True)
class DesignPower:
    """`power` with its Monte-Carlo interval (n = runs), the mean half-width of d and the mean design effect."""

    design: Design
    effects: Effects
    votes: int
    power: Estimate
    half_width: float | None
    design_effect: float | None


def simulate_votes(design: Design, effects: Effects, runs: int, rng: np.random.Generator) -> SimulatedVotes:
    """`runs` studies of one layout. Each pair's raters are distinct, and each rater has as many pairs as any other."""
    if not 1 <= design.votes_per_pair <= design.raters:
        raise ValueError(
            f"{design.votes_per_pair} votes per pair from {design.raters} raters: one vote per rater at most"
        )
    pair, rater = _layout(design, rng)
    prompt = pair // design.images
    logit = (
        effects.preference
        + effects.prompt_sd * rng.standard_normal((runs, design.prompts))[:, prompt]
        + effects.image_sd * rng.standard_normal((runs, design.prompts * design.images))[:, pair]
        + effects.rater_sd * rng.standard_normal((runs, design.raters))[:, rater]
    )
    decisive = rng.random(logit.shape) >= effects.tie_share
    won = rng.random(logit.shape) < special.expit(logit)
    return SimulatedVotes(np.where(won, 1.0, -1.0) * decisive, prompt, rater)


def headline_rows(votes: SimulatedVotes, *, confidence: float = 0.95) -> HeadlineRows:
    """What `clustered.clustered_mean` says of each run, all at once."""
    values = votes.values.mean(axis=1)
    influence = (votes.values - values[:, None]) / votes.values.shape[1]
    fit = cluster_variance(influence, clusters(votes.prompts, votes.raters))
    naive = (influence**2).sum(axis=1)
    errors = np.sqrt(np.where(fit.variance > naive * 1e-12, fit.variance, np.nan))
    p_values = 2 * stats.t.sf(np.abs(values) / errors, fit.degrees_of_freedom)
    half = stats.t.isf((1 - confidence) / 2, fit.degrees_of_freedom) * errors
    effects = np.divide(fit.variance, naive, out=np.full_like(naive, np.nan), where=naive > 0)
    return HeadlineRows(values, half, np.where(np.isnan(p_values), 1.0, p_values), effects)


def design_power(
    design: Design, effects: Effects, *, rng: np.random.Generator, runs: int = 2000, alpha: float = 0.05
) -> DesignPower:
    """Share of simulated studies in which the headline test rejects d = 0, in favour of the right system."""
    votes = simulate_votes(design, effects, runs, rng)
    method = f"simulated, {runs} studies, headline t, Wilson (Monte-Carlo error)"
    size = votes.prompts.size
    if design.prompts < FEWEST_PROMPTS:
        note = f"under {FEWEST_PROMPTS} prompts: no interval and no test"
        return DesignPower(design, effects, size, Estimate(None, None, None, 0, method, note=note), None, None)
    rows = headline_rows(votes, confidence=1 - alpha)
    right = (rows.p_values < alpha) & (rows.values * np.sign(effects.preference or 1) > 0)
    power = replace(wilson(int(right.sum()), runs), method=method, prompts=design.prompts, raters=design.raters)
    half, deff = float(np.nanmean(rows.half_widths)), float(np.nanmean(rows.design_effects))
    return DesignPower(design, effects, size, power, half, deff)


def smallest_detectable_preference(
    design: Design,
    effects: Effects,
    *,
    rng: np.random.Generator,
    power: float = 0.8,
    runs: int = 1000,
    alpha: float = 0.05,
) -> DesignPower | None:
    """The design's power at the smallest preference that it sees with `power`; None if it never does.

    `effects.preference` is ignored. Every candidate is simulated with the same random numbers.
    """
    seed = int(rng.integers(2**63))

    def at(logit: float) -> DesignPower:
        tried = replace(effects, preference=logit)
        return design_power(design, tried, rng=np.random.default_rng(seed), runs=runs, alpha=alpha)

    if (at(6.0).power.value or 0.0) < power:
        return None
    step = 0.01
    logit = optimize.bisect(lambda x: (at(x).power.value or 0.0) - power, 0.0, 6.0, xtol=step)
    return at(float(logit) + step)


def _layout(design: Design, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Pair and rater of each vote: within every `raters` pairs one random order of the raters, dealt out in turn."""
    pairs = design.prompts * design.images
    rounds = -(-pairs // design.raters)
    orders = np.stack([rng.permutation(design.raters) for _ in range(rounds)])
    pair = np.repeat(np.arange(pairs), design.votes_per_pair)
    turn = np.arange(pair.size) % design.raters
    rater = orders[pair // design.raters, turn]
    return _completed(pair, rater, design)


def _completed(pair: npt.NDArray[np.intp], rater: npt.NDArray[np.intp], design: Design) -> tuple[Codes, Codes]:
    """Drop-out: every second rater stops early, so that `completion` of all votes arrive (at least half)."""
    if design.completion >= 1:
        return pair, rater
    seen = np.array([int((rater[: i + 1] == who).sum()) for i, who in enumerate(rater)])
    stays = 1 - 2 * (1 - design.completion)
    kept = (rater % 2 == 0) | (seen <= stays * np.bincount(rater)[rater])
    return pair[kept], rater[kept]
