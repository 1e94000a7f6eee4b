"""Quality against denoising steps: each step count's distance to fresh renders, and what more steps change, in pairs.

The same prompts and the same noise at every step count, so a difference is paired by prompt. FD-pca64 and KID-lite0 as
`evalkit score` computes them; coverage of their difference intervals: tests/simulation/STEPS.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.metrics import fd_lite0, fd_pca64, kid_lite0
from evalkit.metrics._metric import FeatureSet
from evalkit.stats.estimate import Estimate
from evalkit.training.pictures import Features, Pixels

STEPS = (1, 2, 3, 4, 8, 10, 16, 30, 50)
PAIRS = ((1, 2), (2, 4), (4, 8), (8, 16), (16, 50), (3, 10), (10, 30), (30, 50))
BETTER = ((1, 2), (2, 4), (4, 8), (8, 16))
"""pairs whose difference must lie above zero: more steps are nearer to the renders"""
NULL = (30, 50)
"""the planted null: as good as each other, within a margin"""
METRICS = {"FD-pca64": fd_pca64, "KID-lite0": kid_lite0, "FD-lite0": fd_lite0}


@dataclass(frozen=True)
class Rung:
    """Distance of the pictures of one step count to the reference."""

    metric: str
    steps: int
    estimate: Estimate


@dataclass(frozen=True)
class Climb:
    """Distance at `fewer` steps minus distance at `more`: above zero where more steps are better."""

    metric: str
    fewer: int
    more: int
    estimate: Estimate
    p: float | None


@dataclass(frozen=True)
class Ladder:
    """All rungs, and the paired differences between them."""

    system: str
    rungs: tuple[Rung, ...]
    climbs: tuple[Climb, ...]


def ladder(
    system: str, drawn: Mapping[int, Pixels], prompts: Sequence[str], reference: Path, features: Features
) -> Ladder:
    """Measure the step counts in `drawn`, each a picture for each of `prompts`, against stored reference features."""
    labels = np.array(prompts)
    sets = {steps: FeatureSet(features(pixels).astype(np.float64), labels) for steps, pixels in drawn.items()}
    with np.load(reference, allow_pickle=False) as stored:
        base = FeatureSet(stored["features"].astype(np.float64), stored["prompts"].astype(np.str_))
    rungs = [
        Rung(name, steps, metric.estimate(rows, base).estimate)
        for name, metric in METRICS.items()
        for steps, rows in sets.items()
    ]
    climbs = [_climb(name, fewer, more, sets, base) for name in METRICS for fewer, more in PAIRS]
    return Ladder(system, tuple(rungs), tuple(climbs))


def _climb(name: str, fewer: int, more: int, sets: Mapping[int, FeatureSet], base: FeatureSet) -> Climb:
    found = METRICS[name].difference(sets[fewer], sets[more], base)
    return Climb(name, fewer, more, found.estimate, found.p)
