"""Simulated raters: how clearly they see, what they lean to, how they tire, when they leave. No database in here.

All that one does follows from its seed and number, so that a panel that was cut off goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random

from evalkit.spec.identity import digest
from evalkit.store.tables import CHOICES

Prefer = Callable[[str, str], float]
"""prefer(opaque image key, question): the planted quality in logits; one logit more is chosen 73 % of the time."""
Handicap = tuple[float, float]
"""How much worse left and right look than their system's quality says, as shares of `Temper.gold`"""
FAIR: Handicap = (0.0, 0.0)


@dataclass(frozen=True)
class Temper:
    """How simulated raters are: medians, spreads (standard deviations) and thresholds in logits, time in seconds."""

    sharpness: float = 0.25
    """spread of how clearly a rater sees a difference (log scale)"""
    taste: float = 0.4
    """spread of a rater's own liking of single images"""
    side: float = 0.15
    """spread of the leaning to the left side"""
    tie: float = 0.5
    """a difference smaller than this is "on par" """
    neither: float = -3.0
    """where the better image stays below this, both fail"""
    seconds: float = 6.0
    """median time for an answer"""
    gold: float = 5.0
    """by how much the wrong image of a gold is worse, where it is wrong"""
    careless: float = 0.0
    """share of raters who answer at random, quickly, and without a look"""
    ability: float = 1.0
    """how clearly the median rater sees a difference; 0 sees none"""
    left: float = 0.0
    """leaning to the left side that all raters share"""
    lapse: float = 0.0
    """share of answers given without a look, golds too; raters differ in it"""
    fatigue: float = 0.0
    """over a sheet, ability falls by the factor exp(-fatigue), and answers become that much quicker"""
    drop_out: float = 0.0
    """share of raters who leave before the end of their sheet"""


USUAL = Temper()


@dataclass(frozen=True)
class Panelist:
    """One simulated rater. `leaves_at`: the share of its sheet after which it leaves; None stays to the end."""

    number: int
    seed: int
    sharpness: float
    left: float
    tie: float
    seconds: float
    careless: bool = False
    lapse: float = 0.0
    fatigue: float = 0.0
    leaves_at: float | None = None

    def is_gone(self, position: int, total: int) -> bool:
        """Whether it leaves instead of answering the comparison at `position` (from 1)."""
        return self.leaves_at is not None and position > max(1.0, self.leaves_at * total)


@dataclass(frozen=True)
class Sight:
    """What a rater sees: two opaque keys, a question, and how far on its sheet it is, from 0 to 1."""

    left: str
    right: str
    question: str
    handicap: Handicap = FAIR
    tired: float = 0.0


def panelist(number: int, seed: int, temper: Temper) -> Panelist:
    """Number `number` of a panel."""
    random = Random(digest(["panelist", seed, number]))
    sharpness = temper.ability * random.lognormvariate(0, temper.sharpness)
    left = temper.left + random.gauss(0, temper.side)
    tie = temper.tie * random.lognormvariate(0, 0.3)
    seconds = temper.seconds * random.lognormvariate(0, 0.3)
    careless = random.random() < temper.careless
    lapse = min(1.0, temper.lapse * random.lognormvariate(0, 0.5)) if temper.lapse else 0.0
    leaves_at = random.random() if random.random() < temper.drop_out else None
    return Panelist(number, seed, sharpness, left, tie, seconds, careless, lapse, temper.fatigue, leaves_at)


def answer(seen: Sight, rater: Panelist, prefer: Prefer, temper: Temper) -> tuple[str, int]:
    """A choice (left, tie, right, neither), and the milliseconds that it took."""
    random = Random(digest(["answer", rater.seed, rater.number, seen.left, seen.right, seen.question]))
    if rater.careless:
        return random.choice(CHOICES), round(300 * random.lognormvariate(0, 0.5))
    quicker = exp(-rater.fatigue * seen.tired)
    choice = _choose(seen, rater, prefer, temper, random, quicker)
    taken = round(1000 * rater.seconds * quicker * random.lognormvariate(0, 0.5))
    if rater.lapse and random.random() < rater.lapse:
        return random.choice(CHOICES), taken
    return choice, taken


def _choose(seen: Sight, rater: Panelist, prefer: Prefer, temper: Temper, random: Random, awake: float) -> str:
    """Left, tie, right or neither: a logistic choice with a threshold (Rao and Kupper 1967), and a floor for both."""
    left, right = (
        prefer(key, seen.question) + _taste(rater, key, seen.question, temper.taste) - temper.gold * worse
        for key, worse in zip((seen.left, seen.right), seen.handicap, strict=True)
    )
    if max(left, right) + _logistic(random) < temper.neither:
        return "neither"
    difference = awake * rater.sharpness * (left - right) + rater.left + _logistic(random)
    if abs(difference) < rater.tie:
        return "tie"
    return "left" if difference > 0 else "right"


def _taste(rater: Panelist, key: str, question: str, spread: float) -> float:
    return Random(digest(["taste", rater.seed, rater.number, key, question])).gauss(0, spread)


def _logistic(random: Random) -> float:
    share = min(max(random.random(), 1e-12), 1 - 1e-12)
    return log(share / (1 - share))
