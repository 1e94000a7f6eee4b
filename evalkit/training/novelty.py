"""Two side measurements of the pair: distance to the nearest training render, and the cost of a denoising step."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.training.scenes import Graphics, training_batch

TRAINING_SEED, TRAINING_RENDERS = 37, 4_000
ROUNDS = 30


@dataclass(frozen=True)
class Novelty:
    """Root mean squared pixel difference (0-255) of n pictures to the nearest of `training` renders: quartiles."""

    pictures: str
    n: int
    training: int
    lower: float
    median: float
    upper: float


@dataclass(frozen=True)
class Cost:
    """One guided step (2 latents, one thread each way as set): median milliseconds of `rounds` paired rounds.

    ratio: challenger / baseline, median over the rounds, with the 2.5 and 97.5 percent points of 2,000 resamples.
    """

    rounds: int
    milliseconds: dict[str, float]
    parameters: dict[str, int]
    ratio: float
    low: float
    high: float


def nearest_training_render(graphics: Graphics, pictures: Mapping[str, NDArray[np.uint8]]) -> tuple[Novelty, ...]:
    """For each named set (n, 64, 64, 3). Compare with the row of fresh renders, which nobody can have copied."""
    training = training_batch(graphics, TRAINING_RENDERS, TRAINING_SEED, 0).pixels
    fresh = training_batch(graphics, 200, TRAINING_SEED + 1, 0).pixels
    return tuple(_novelty(name, pixels, training) for name, pixels in {**pictures, "fresh renders": fresh}.items())


def _novelty(name: str, pixels: NDArray[np.uint8], training: NDArray[np.uint8]) -> Novelty:
    flat = training.reshape(len(training), -1).astype(np.float32)
    asked = pixels.reshape(len(pixels), -1).astype(np.float32)
    squared = (asked**2).sum(1)[:, None] + (flat**2).sum(1)[None] - 2 * asked @ flat.T
    distances = np.sqrt(np.clip(squared.min(axis=1), 0, None) / flat.shape[1])
    lower, median, upper = (float(value) for value in np.quantile(distances, (0.25, 0.5, 0.75)))
    return Novelty(name, len(pixels), len(training), lower, median, upper)


def step_cost(pipelines: Mapping[str, Any], rounds: int = ROUNDS) -> Cost:
    """Time both denoisers in turn, so that what else the machine does meets both. First baseline, then challenger."""
    baseline, challenger = pipelines
    seconds = {name: np.empty(rounds) for name in pipelines}
    for number in range(-3, rounds):
        for name, pipeline in pipelines.items():
            elapsed = _one_step(pipeline.unet)
            if number >= 0:
                seconds[name][number] = elapsed
    ratios = seconds[challenger] / seconds[baseline]
    resampled = np.median(np.random.default_rng(0).choice(ratios, (2_000, rounds)), axis=1)
    low, high = (float(value) for value in np.quantile(resampled, (0.025, 0.975)))
    return Cost(
        rounds,
        {name: 1e3 * float(np.median(values)) for name, values in seconds.items()},
        {name: sum(weight.numel() for weight in pipeline.unet.parameters()) for name, pipeline in pipelines.items()},
        float(np.median(ratios)),
        low,
        high,
    )


def _one_step(network: Any) -> float:
    import torch

    draw = torch.Generator().manual_seed(0)
    latents, states = torch.randn(2, 8, 8, 8, generator=draw), torch.randn(2, 77, 128, generator=draw)
    begin = time.perf_counter()
    with torch.no_grad():
        network(latents, 500, encoder_hidden_states=states)
    return time.perf_counter() - begin
