"""Why a step of DeciDiffusion takes the part of one of Stable Diffusion that it takes: by memory format and operation.

    python -m tests.benchmarks.step            # about six minutes on one core; writes step.md beside itself

Both networks at full size with random weights, one guided step at 512 x 512, float32, one thread, in turns.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from evalkit.models._random import architecture, random_network
from evalkit.runtimes._neighbours import clocks, share_of_others
from evalkit.runtimes._rounds import turned
from evalkit.stats.ratio import paired_ratio
from tests.benchmarks.machine import described
from tests.conftest import ROOT

NETWORKS = {"decidiffusion-v1-0": "DeciDiffusion 1.0", "sd15": "Stable Diffusion 1.5"}
FORMATS = {"channels last (evalkit's)": torch.channels_last, "contiguous (diffusers' default)": torch.contiguous_format}
ROUNDS = 3
WHY = """
The networks differ most in attention: Stable Diffusion attends to 64 x 64 = 4,096 places, DeciDiffusion to 32 x 32 at
most. Channels last speeds up convolutions alone: DeciDiffusion, which spends more of its time in them, gains more, and
the ratio falls. By operations it is 1,228.5 / 1,606.5 GFLOP = 0.765. `evalkit bench` measures as `evalkit generate`
draws (channels last), and with `--contiguous` in diffusers' own format.
"""
KINDS = {
    "convolutions": ("conv",),
    "attention": ("scaled_dot_product", "flash_attention"),
    "linear layers": ("addmm", "aten::mm", "linear"),
    "normalisation": ("norm",),
}
"""Operations of torch by their names; the rest is activations, additions and copies."""


def call(network: Any, inputs: tuple[torch.Tensor, ...]) -> None:
    latents, step, text = inputs
    with torch.inference_mode():
        network(latents, step, text, return_dict=False)


def timed(network: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[float, float]:
    """(wall, CPU) seconds of a step."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(network, inputs)
    return time.perf_counter() - wall, time.process_time() - cpu


def by_kind(network: Any, inputs: tuple[torch.Tensor, ...]) -> dict[str, float]:
    """Seconds of a step by kind of operation, as torch's profiler counts them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        call(network, inputs)
    found: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        kinds = (kind for kind, names in KINDS.items() if any(name in event.key for name in names))
        found[next(kinds, "the rest")] += event.self_cpu_time_total / 1e6
    return found


def measure(rounds: int) -> tuple[dict[tuple[str, str], list[tuple[float, float]]], dict[tuple[str, str], Any]]:
    networks = {
        name: random_network(architecture(name, ROOT)["unet"], dtype=torch.float32, device="cpu") for name in NETWORKS
    }
    inputs = torch.randn(2, 4, 64, 64), torch.tensor(500), torch.randn(2, 77, 768)
    cells = [(name, form) for form in FORMATS for name in NETWORKS]
    spent: dict[tuple[str, str], list[tuple[float, float]]] = {cell: [] for cell in cells}
    kinds = {}
    for number in range(rounds + 1):
        for name, form in turned(cells, number):
            network = networks[name].to(memory_format=FORMATS[form])
            if number == 0:  # warms up
                kinds[name, form] = by_kind(network, inputs)
            else:
                spent[name, form].append(timed(network, inputs))
            print(name, form, number, spent[name, form][-1:], flush=True)
    return spent, kinds


def page(spent: dict[tuple[str, str], list[tuple[float, float]]], kinds: dict[Any, Any], elsewhere: float) -> str:
    rounds = len(next(iter(spent.values())))
    lines = [
        "# A step of DeciDiffusion 1.0 in those of Stable Diffusion 1.5",
        "",
        f"`python -m tests.benchmarks.step` on {described()}; torch on 1 thread.",
        "Full-size networks with random weights, one guided step (two samples) at 512 x 512, float32;",
        f"{rounds} rounds in turns. Other work took {elsewhere:.0%} of the processor meanwhile.",
        "Published, on an A10 in half precision: 0.715.",
        "",
        "| memory format | DeciDiffusion, CPU s | Stable Diffusion, CPU s | ratio of CPU time | of wall time |",
        "|---|---:|---:|---:|---:|",
    ]
    for form in FORMATS:
        one, other = ([list(found) for found in zip(*spent[name, form], strict=True)] for name in NETWORKS)
        cpu, wall = paired_ratio(one[1], other[1]), paired_ratio(one[0], other[0])
        seconds = [f"{sum(found[1]) / rounds:.1f}" for found in (one, other)]
        said = [f"{r.value:.3f}" + (f" ({r.low:.3f}-{r.high:.3f})" if r.low else "") for r in (cpu, wall)]
        lines.append(f"| {form} | {' | '.join(seconds)} | {' | '.join(said)} |")
    lines += ["", "Where a step's time goes, by kind of operation (torch's profiler, one step each):", ""]
    lines += ["| kind | " + " | ".join(f"{NETWORKS[name]}, {form.split(' (')[0]}" for name, form in kinds) + " |"]
    lines += ["|---|" + "---:|" * len(kinds)]
    for kind in (*KINDS, "the rest"):
        shares = (found.get(kind, 0) / sum(found.values()) for found in kinds.values())
        lines.append(f"| {kind} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    return "\n".join([*lines, WHY])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    wish = options.parse_args()
    torch.set_num_threads(1)
    before = clocks()
    spent, kinds = measure(wish.rounds)
    wish.out.write_text(page(spent, kinds, share_of_others(before, clocks()) or 0.0), encoding="utf-8")


if __name__ == "__main__":
    main()
