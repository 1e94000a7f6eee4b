"""Designs beside one another: how many prompts a preference needs, and prompts against raters at equal cost.

Every design is simulated with the same seed, so that neighbours differ by their layout and not by luck.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy import optimize

from evalkit.stats.cluster_variance import FEWEST_PROMPTS
from evalkit.stats.planning import Design, DesignPower, Effects, design_power, smallest_detectable_preference
from evalkit.stats.power import decisive_votes_needed, votes_needed

MOST_VOTES = 20_000
MOST_CELLS = 4_000_000
FEWEST_RUNS = 200
FEWEST_RATERS = 5
"""The headline's coverage is promised from here on."""
SHARES = (0.5, 0.525, 0.55, 0.575, 0.6, 0.65, 0.7, 0.75, 0.8)
PROMPT_FACTORS = (1 / 9, 1 / 3, 1, 3, 9, 27)
RATER_FACTORS = (0.5, 1, 2, 4)


@dataclass(frozen=True)
class Simulation:
    """How designs are simulated: at most `runs` studies each (fewer of very large ones), tested at `alpha`."""

    seed: int = 0
    runs: int = 2000
    alpha: float = 0.05

    def power(self, design: Design, effects: Effects) -> DesignPower:
        return design_power(design, effects, rng=self.rng(), runs=self.runs_of(design), alpha=self.alpha)

    def detectable(self, design: Design, effects: Effects, power: float) -> DesignPower | None:
        """The design's power at the smallest preference that it sees with `power`; None if it sees none."""
        if design.prompts < FEWEST_PROMPTS:
            return None
        runs = self.runs_of(design)
        return smallest_detectable_preference(design, effects, rng=self.rng(), power=power, runs=runs, alpha=self.alpha)

    def runs_of(self, design: Design) -> int:
        votes = design.prompts * design.images * design.votes_per_pair
        if votes > MOST_VOTES:
            raise ValueError(f"{votes:,} votes are too many to simulate: at most {MOST_VOTES:,}, by smaller sheets")
        return max(FEWEST_RUNS, min(self.runs, MOST_CELLS // votes))

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Sheet:
    """The designs that are recommended: each pair of images judged so often, each rater's share so many pairs."""

    votes_per_pair: int = 3
    pairs_per_rater: int = 40


@dataclass(frozen=True)
class DesignReview:
    """One design, what it is asked to see, and other designs beside it.

    `strict`: at the level where Holm's procedure over `tests` tests begins. `detectable`: at the smallest preference
    seen with the wanted power. `curve`: at every share of SHARES. `needed`: the smallest design with the wanted power.
    `independent_decisive`, `independent_votes`: what the exact sign test would need, were every vote independent.
    """

    effects: Effects
    tests: int
    own: DesignPower
    strict: DesignPower
    detectable: DesignPower | None
    curve: tuple[DesignPower, ...]
    trade: tuple[DesignPower, ...]
    needed: DesignPower | None
    independent_decisive: int
    independent_votes: int


def review(
    design: Design, effects: Effects, simulation: Simulation, *, power: float, tests: int, sheet: Sheet
) -> DesignReview:
    """Everything that a plan asks of a design: its power, what it sees, what is needed, prompts against raters."""
    own = simulation.power(design, effects)
    decisive = decisive_votes_needed(decisive_share(effects), power=power, alpha=simulation.alpha)
    return DesignReview(
        effects=effects,
        tests=tests,
        own=own,
        strict=replace(simulation, alpha=simulation.alpha / tests).power(design, effects),
        detectable=simulation.detectable(design, effects, power),
        curve=power_curve(design, effects, SHARES, simulation),
        trade=trade(own.votes, *_around(design, own.votes), effects, simulation),
        needed=design_needed(effects, simulation, power=power, sheet=sheet),
        independent_decisive=decisive,
        independent_votes=votes_needed(decisive, 1 - effects.tie_share),
    )


def with_net_preference(effects: Effects, net: float) -> Effects:
    """The same effects with the logit that makes the net preference d = (W - L)/n over new prompts and raters `net`."""

    def off(logit: float) -> float:
        return replace(effects, preference=logit).net_preference - net

    if not off(-12.0) < 0 < off(12.0):
        raise ValueError(f"a net preference of {net:g} is out of reach with {effects.tie_share:.0%} undecided votes")
    return replace(effects, preference=float(optimize.brentq(off, -12.0, 12.0, xtol=1e-9)))


def decisive_share(effects: Effects) -> float:
    """Share of decisive votes that the first system wins, over new prompts, images and raters."""
    return 0.5 + effects.net_preference / (1 - effects.tie_share) / 2


def power_curve(
    design: Design, effects: Effects, shares: Iterable[float], simulation: Simulation
) -> tuple[DesignPower, ...]:
    """The design's power at each of these shares of decisive votes."""
    nets = ((1 - effects.tie_share) * (2 * share - 1) for share in shares)
    return tuple(simulation.power(design, with_net_preference(effects, net)) for net in nets)


def spread(votes: int, prompts: int, raters: int) -> Design:
    """About `votes` votes over so many prompts and raters: more images of a prompt only where raters run out."""
    images = ceil(votes / (prompts * raters))
    return Design(prompts, raters, max(1, min(raters, round(votes / (prompts * images)))), images)


def trade(
    votes: int, prompts: Sequence[int], raters: Sequence[int], effects: Effects, simulation: Simulation
) -> tuple[DesignPower, ...]:
    """Prompts against raters, about as many votes each time: prompts outside, raters inside."""
    designs = (spread(votes, some, judges) for some in prompts for judges in raters)
    return tuple(simulation.power(design, effects) for design in designs)


def design_needed(effects: Effects, simulation: Simulation, *, power: float, sheet: Sheet) -> DesignPower | None:
    """The smallest design with that power, one image a prompt: more prompts bring more raters, each on part of them.

    The number of prompts is exact to a twentieth; None if MOST_VOTES votes do not suffice.
    """

    def at(prompts: int) -> DesignPower:
        return simulation.power(_rated(prompts, sheet), effects)

    low, high = FEWEST_PROMPTS + 1, 2 * FEWEST_PROMPTS
    while (found := at(high)).power.value is None or found.power.value < power:
        low, high = high, 2 * high
        if high * sheet.votes_per_pair > MOST_VOTES:
            return None
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        tried = at(middle)
        if (tried.power.value or 0.0) >= power:
            high, found = middle, tried
        else:
            low = middle
    return found


def _rated(prompts: int, sheet: Sheet) -> Design:
    votes = sheet.votes_per_pair
    return Design(prompts, max(FEWEST_RATERS, votes, ceil(prompts * votes / sheet.pairs_per_rater)), votes)


def _around(design: Design, votes: int) -> tuple[list[int], list[int]]:
    """Numbers of prompts and of raters around the design's own, for about as many votes."""
    prompts = {n for factor in PROMPT_FACTORS if (n := round(design.prompts * factor)) <= votes / 2} | {votes}
    raters = {max(FEWEST_RATERS, round(design.raters * factor)) for factor in RATER_FACTORS}
    return sorted(n for n in prompts if n >= FEWEST_PROMPTS), sorted(raters)
