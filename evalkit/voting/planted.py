"""Planted qualities for a simulated panel: what is true is known, so that a report can be checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import log2
from random import Random
from typing import TYPE_CHECKING

from evalkit.spec.identity import digest
from evalkit.spec.study import Study
from evalkit.voting.arms import Arms
from evalkit.voting.panelists import Prefer

if TYPE_CHECKING:
    import pandas as pd

LOGITS_PER_DOUBLING = 0.4
"""Quality gained by twice the steps; 50 against 30 steps: 0.29 logits, near the log-ratio of the published table."""
PROMPT_SPREAD = 0.5
"""Standard deviation, in logits, of what a system is better or worse at from prompt to prompt"""
IMAGE_SPREAD = 0.4
"""Standard deviation, in logits, from image to image of one prompt and system, for each question anew"""


def strengths_by_steps(study: Study) -> dict[str, float]:
    """Strengths from the step counts alone, in logits; their mean is 0."""
    found = {system.name: LOGITS_PER_DOUBLING * log2(system.sampling.steps) for system in study.systems}
    mean = sum(found.values()) / len(found)
    return {name: value - mean for name, value in found.items()}


def planted_quality(
    strengths: Mapping[str, float],
    images: pd.DataFrame,
    link: Arms,
    seed: int,
    *,
    prompt_spread: float = PROMPT_SPREAD,
    image_spread: float = IMAGE_SPREAD,
) -> Prefer:
    """Quality of an image: its system's strength, and seeded effects of system x prompt and of the image.

    Args:
        strengths: system -> logits.
        images: the run's images.parquet.
        link: what the panel's image keys stand for.
        prompt_spread: standard deviation, in logits, of what a system is better or worse at from prompt to prompt.
        image_spread: the same from image to image.
    """
    made = images.set_index("key")[["system", "prompt_key", "lang"]].to_dict("index")

    @cache
    def quality(key: str, question: str) -> float:
        source = link.images[key]
        image = made[source]
        scene = ["prompt", seed, image["system"], image["prompt_key"], image["lang"]]
        effects = _normal(scene, prompt_spread) + _normal(["image", seed, source, question], image_spread)
        return strengths[image["system"]] + effects

    return quality


def _normal(name: list[object], spread: float) -> float:
    return Random(digest(name)).gauss(0, spread)
