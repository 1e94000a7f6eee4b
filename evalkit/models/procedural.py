"""Seeded shapes without any network, for tests and trials: the prompt gives shape and colours, the seed their place.

Quality is planted: the noise on the picture has a standard deviation of 96 / steps grey levels, so more steps are
better and by how much is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.spec.catalog import ModelCard
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage

NOISE_OF_ONE_STEP = 96.0


@dataclass(frozen=True)
class Shapes:
    """Draws one filled shape on a plain ground for each prompt."""

    size: int

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[DrawnImage]:
        """One image for each prompt and seed: (height, width, 3), equal for equal arguments."""
        width, height = sampling.width or self.size, sampling.height or self.size
        noise = NOISE_OF_ONE_STEP / sampling.steps
        pairs = zip(prompts, seeds, strict=True)
        return [DrawnImage(_draw(prompt, seed, width, height, noise)) for prompt, seed in pairs]

    @property
    def made(self) -> dict[str, Any]:
        return {"device": "cpu"}


def load(card: ModelCard, folder: Path, *, dtype: Any, device: str) -> Shapes:
    """There are no files to load."""
    return Shapes(card.size)


def _draw(prompt: str, seed: int, width: int, height: int, noise: float) -> NDArray[np.uint8]:
    meaning = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    random = np.random.default_rng([seed, *meaning[:4]])
    ground, colour = np.array(list(meaning[:3])), np.array(list(meaning[3:6]))
    rows, columns = np.mgrid[0:height, 0:width]
    radius = min(width, height) * random.uniform(0.2, 0.35)
    across = np.abs(columns - width * random.uniform(0.4, 0.6))
    down = np.abs(rows - height * random.uniform(0.4, 0.6))
    inside = [across**2 + down**2 < radius**2, np.maximum(across, down) < radius, across + down < radius]
    picture = np.where(inside[meaning[6] % 3][..., None], colour, ground)
    noisy = picture + random.normal(0.0, noise, (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
