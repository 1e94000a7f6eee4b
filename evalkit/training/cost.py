"""What the pair costs: a denoising step of each, paired, and eight pictures as anyone would ask for them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.training import drawing

ROUNDS = 30


@dataclass(frozen=True)
class StepCost:
    """One guided step (2 latents, one thread each way as set): median milliseconds of `rounds` paired rounds.

    ratio: challenger / baseline, median over the rounds, with the 2.5 and 97.5 percent points of 2,000 resamples.
    """

    rounds: int
    milliseconds: dict[str, float]
    parameters: dict[str, int]
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class EightImages:
    """Eight pictures in one batch, after one picture as warm-up: seconds on the clock, and of the processors."""

    system: str
    steps: int
    seconds: float
    cpu_seconds: float
    threads: int


def eight_images(pipeline: Any, system: str, steps: int) -> EightImages:
    """Time eight different prompts at the published step count. One run: on a busy machine read the CPU seconds."""
    import torch

    prompts = [f"a {name} on a blue background" for name in ("dog", "fox", "car", "rose", "pear", "bus", "lion", "pig")]
    drawing.draw(pipeline, prompts[:1], steps)
    clock, cpu = time.perf_counter(), time.process_time()
    drawing.draw(pipeline, prompts, steps)
    seconds, used = time.perf_counter() - clock, time.process_time() - cpu
    return EightImages(system, steps, seconds, used, torch.get_num_threads())


def step_cost(pipelines: Mapping[str, Any], rounds: int = ROUNDS) -> StepCost:
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
    return StepCost(
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
