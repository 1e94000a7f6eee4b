"""How fast `evalkit generate` draws, against the model card's own usage and against diffusers at its documented best.

    python -m tests.benchmarks.generate            # minutes; writes generate.md beside itself
    python -m tests.benchmarks.generate --part emoji-nas --parts FOLDER     # one part of it, kept for a later run

Every way draws the same prompts with the same seeds, steps and threads into PNG files, in turn, round by round. Wall
time and CPU time of the process are both given as ratios, since a busy machine spoils the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from evalkit.engines import Job
from evalkit.engines.batches import Batch, cut
from evalkit.engines.local import Local
from evalkit.models import decidiffusion, diffusers, prepare_torch
from evalkit.models._pipeline import PipelineGenerator
from evalkit.runtimes._neighbours import clocks, share_of_others
from evalkit.runtimes._rounds import turned
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog, ModelCard, Prompt
from evalkit.spec.plan import PlannedImage
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage, encode_png, keep_image
from evalkit.store.manifest import hardware, versions
from tests.checkpoints import write_stable_diffusion
from tests.conftest import ROOT

IMAGES, BATCH, ROUNDS = 16, 16, 2
LOADERS = {"diffusers": diffusers, "decidiffusion": decidiffusion}
Way = Callable[["Case", Path], None]


@dataclass
class Case:
    """A model with its sampling; a pipeline for each way: ours, the card's, and diffusers' with channels last."""

    name: str
    own: PipelineGenerator
    plain: Any
    best: Any
    sampling: Sampling
    size: int

    def planned(self) -> list[PlannedImage]:
        texts = [f"a {colour} {thing}" for thing in ("apple", "dog", "car", "tree") for colour in COLOURS]
        return [
            PlannedImage(f"{number:064x}", self.name, Prompt(key=f"p-{number}", text=text), 0, number, 64, 64)
            for number, text in enumerate(texts[:IMAGES])
        ]

    def wishes(self) -> dict[str, Any]:
        wish = self.sampling
        return {
            "num_inference_steps": wish.steps,
            "guidance_scale": wish.guidance,
            "guidance_rescale": wish.guidance_rescale,
            "width": self.size,
            "height": self.size,
        }


COLOURS = ("red", "blue", "green", "black", "white", "yellow", "brown", "grey")


def card_usage(case: Case, folder: Path) -> None:
    """The model card's: one call per prompt, then save."""
    for image in case.planned():
        noise = torch.Generator("cpu").manual_seed(image.seed)
        case.plain(image.prompt.text, generator=noise, **case.wishes()).images[0].save(folder / f"{image.key}.png")


def batched_usage(case: Case, folder: Path) -> None:
    """diffusers' documented best on one device: a list of prompts in each call, channels last, inference mode."""
    planned = case.planned()
    for start in range(0, len(planned), BATCH):
        part = planned[start : start + BATCH]
        noise = [torch.Generator("cpu").manual_seed(image.seed) for image in part]
        with torch.inference_mode():
            drawn = case.best([image.prompt.text for image in part], generator=noise, **case.wishes()).images
        for image, picture in zip(part, drawn, strict=True):
            picture.save(folder / f"{image.key}.png")


def evalkit(case: Case, folder: Path) -> None:
    """The stage's own engine, store and generator."""

    def draw(batch: Batch) -> list[DrawnImage]:
        planned = batch.full()
        return case.own.generate([item.prompt.text for item in planned], [item.seed for item in planned], case.sampling)

    def keep(batch: Batch, images: list[DrawnImage]) -> None:
        for planned, image in zip(batch.images, images, strict=False):
            keep_image(folder, planned.key, image, seconds=1.0, batch_size=BATCH, made=case.own.made)

    list(Local().run(cut(case.planned(), BATCH), lambda: Job(draw, keep)))


WAYS: dict[str, Way] = {
    "card's usage, one call per prompt": card_usage,
    f"diffusers, {BATCH} prompts a call": batched_usage,
    f"evalkit, batch {BATCH}": evalkit,
}


CASES = {
    "emoji-nas": ("emoji-nas", 15, 64),
    "emoji-sd": ("emoji-sd", 25, 64),
    "random-64": (None, 10, 64),
    "random-256": (None, 10, 256),
}
"""The embedded pair with half of the demo's steps, and random pipelines of Stable Diffusion's shape."""


def case_of(name: str, folder: Path) -> Case:
    model, steps, size = CASES[name]
    if model is None:
        card = ModelCard(name="sd-shaped", title="random", source="x", size=size)
        shaped = write_stable_diffusion(folder / name)
        return _case(f"random, SD-shaped, {size} px", card, shaped, Sampling(steps=steps, guidance=7.5), size)
    card = Catalog(ROOT).model(model)
    sampling = Sampling(steps=steps, guidance=2.0, guidance_rescale=0.7)
    return _case(f"{model}, {steps} steps", card, ROOT / card.source, sampling, size)


def _case(name: str, card: ModelCard, folder: Path, sampling: Sampling, size: int) -> Case:
    loader = LOADERS[card.loader]
    own, plain, best = (loader.load(card, folder, dtype=torch.float32, device="cpu") for _ in range(3))
    plain.pipeline.unet.to(memory_format=torch.contiguous_format)
    return Case(name, own, plain.pipeline, best.pipeline, sampling, size)


def measure(case: Case, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) seconds of each way, round by round, in turn; one round of two steps before that warms up."""
    short = replace(case, sampling=case.sampling.model_copy(update={"steps": 2}))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for number in range(rounds + 1):
        for name, way in turned(list(WAYS.items()), number):
            with tempfile.TemporaryDirectory() as place:
                wall, cpu = time.perf_counter(), time.process_time()
                way(case if number else short, Path(place))
                spent = time.perf_counter() - wall, time.process_time() - cpu
            if number:
                found[name].append(spent)
    return found


def rows(case: Case, rounds: int) -> Iterator[str]:
    found = measure(case, rounds)
    base = found["card's usage, one call per prompt"]
    for name, spent in found.items():
        ratios = [[b[kind] / s[kind] for b, s in zip(base, spent, strict=True)] for kind in (0, 1)]
        wall, cpu = (f"{median(one):.2f} ({min(one):.2f}-{max(one):.2f})" for one in ratios)
        rate = IMAGES / median([s[0] for s in spent])
        yield f"| {case.name} | {name} | {rate:.2f} | {wall} | {cpu} |"


# ---------------------------------------------------------------------------------------- outside the networks


def photograph(size: int = 512) -> np.ndarray:
    """A smooth picture with texture and grain, as hard to compress as a photograph."""
    random = np.random.default_rng(0)
    layers = [(4, 0.45), (16, 0.25), (64, 0.17), (256, 0.13)]
    mixed = sum(
        weight
        * np.asarray(
            Image.fromarray(random.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((size, size), Image.BICUBIC),
            dtype=float,
        )
        for n, weight in layers
    )
    return np.clip(mixed + random.normal(0, 2, mixed.shape), 0, 255).astype(np.uint8)


@contextmanager
def without_networks(pipeline: Any, picture: np.ndarray) -> Iterator[None]:
    """The U-Net and the decoder answer at once: noise, and a photograph-like picture. What is left is outside them."""
    tensor = torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    kept = pipeline.unet.forward, pipeline.vae.decode
    pipeline.unet.forward = lambda latents, *_, **__: (latents * 0.1,)
    pipeline.vae.decode = lambda latents, *_, **__: (tensor.expand(len(latents), -1, -1, -1),)
    try:
        yield
    finally:
        pipeline.unet.forward, pipeline.vae.decode = kept


def outside_networks(folder: Path, *, steps: int = 30, batch: int = 8, rounds: int = 9) -> list[float]:
    """CPU milliseconds per 512 px image that are not the networks': text, noise, scheduler, pixels, PNG, disk."""
    card = ModelCard(name="sd-shaped", title="random", source="x", size=512)
    own = diffusers.load(card, write_stable_diffusion(folder / "overhead"), dtype=torch.float32, device="cpu")
    sampling, found = Sampling(steps=steps, guidance=7.5), []
    with without_networks(own.pipeline, photograph()):
        for number in range(rounds + 1):
            texts, seeds = [f"prompt {number} {place}" for place in range(batch)], list(range(batch))
            started = time.process_time()
            for place, image in enumerate(own.generate(texts, seeds, sampling)):
                keep_image(folder, f"{number * batch + place:064x}", image, seconds=1.0, batch_size=batch, made={})
            found.append((time.process_time() - started) / batch * 1000)
    return found[1:]


def encoders(rounds: int = 9) -> Iterator[str]:
    """CPU milliseconds and bytes of file formats, on a photograph-like 512 px picture."""
    import io

    def pillow(kind: str, **options: Any) -> Callable[[np.ndarray], bytes]:
        def encode(pixels: np.ndarray) -> bytes:
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, kind, **options)
            return content.getvalue()

        return encode

    ways = {
        "PNG, level 6 (Pillow's default)": pillow("PNG"),
        "PNG, level 1": pillow("PNG", compress_level=1),
        "**PNG, level 1, run lengths (evalkit)**": encode_png,
        "WebP, lossless, quality 0, method 0": pillow("WEBP", lossless=True, quality=0, method=0),
    }
    picture = photograph()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, encode in ways.items():
            started = time.process_time()
            encode(picture)
            spent[name].append((time.process_time() - started) * 1000)
    for name, encode in ways.items():
        yield f"| {name} | {median(spent[name]):.0f} | {len(encode(picture)) / 1000:.0f} |"


# ---------------------------------------------------------------------------------------- memory format


def memory_formats(case: Case, rounds: int = 9) -> Iterator[str]:
    """CPU time of a U-Net call, channels last over contiguous, by number of samples."""
    size = case.size // 8 if case.name.startswith("random") else case.own.pipeline.unet.config.sample_size
    channels, width = case.own.pipeline.unet.config.in_channels, case.own.pipeline.unet.config.cross_attention_dim
    for samples in (2, 8, 32):
        latents, text = torch.randn(samples, channels, size, size), torch.randn(samples, 77, width)
        ratios = []
        for _ in range(rounds):
            spent = []
            for network in (case.own.pipeline.unet, case.plain.unet):
                with torch.no_grad():
                    started = time.process_time()
                    network(latents, 500, text)
                    spent.append(time.process_time() - started)
            ratios.append(spent[0] / spent[1])
        yield f"| {case.name} | {samples} | {median(ratios[1:]):.2f} ({min(ratios[1:]):.2f}-{max(ratios[1:]):.2f}) |"


PARTS = (*CASES, "formats", "outside", "files")


def measured(name: str, rounds: int, folder: Path) -> dict[str, Any]:
    """One part of the table, and the share of the processor that other work took meanwhile."""
    before = clocks()
    found = part_of(name, rounds, folder)
    return {"found": found, "elsewhere": share_of_others(before, clocks()) or 0.0}


def part_of(name: str, rounds: int, folder: Path) -> list[Any]:
    """Lines, or numbers."""
    if name in CASES:
        case = case_of(name, folder)
        return list(rows(case, rounds))
    if name == "formats":
        return [line for model in ("emoji-nas", "emoji-sd") for line in memory_formats(case_of(model, folder))]
    return outside_networks(folder) if name == "outside" else list(encoders())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--part", choices=PARTS, help="only this one, into --parts")
    options.add_argument("--parts", type=Path, help="a folder of parts that were measured before")
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    wish = options.parse_args()
    prepare_torch(Settings(root=ROOT, threads=1, device="cpu", _env_file=None))
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name in [wish.part] if wish.part else PARTS:
            kept = wish.parts / f"{name}.json" if wish.parts else Path(place) / "none"
            found[name] = json.loads(kept.read_text()) if kept.is_file() else measured(name, wish.rounds, Path(place))
            if wish.parts:
                wish.parts.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(found[name]))
    if not wish.part:
        elsewhere = max(part["elsewhere"] for part in found.values())
        wish.out.write_text(page({name: part["found"] for name, part in found.items()}, wish.rounds, elsewhere))


def page(found: dict[str, list[Any]], rounds: int, elsewhere: float) -> str:
    machine, used = hardware(), versions()
    outside, speed = found["outside"], [line for name in CASES for line in found[name]]
    names = ("python", "torch", "diffusers", "transformers", "pillow")
    lines = [
        "# Drawing images: evalkit against the card's own usage",
        "",
        f"`python -m tests.benchmarks.generate` on {machine['processor']}, {machine['cores']} cores, torch on",
        f"1 thread; {', '.join(f'{name} {used[name]}' for name in names)}.",
        f"Other work took at most {elsewhere:.0%} of the processor during a part.",
        f"{IMAGES} images, {rounds} rounds in turn after a short one. Ratios: card usage over this way, median",
        "(lowest-highest) of the rounds; above 1 is faster. All write PNG files, diffusers' at Pillow's default level;",
        "its batches run with channels last, as its documentation advises.",
        "",
        "| model | way | images/s | times as fast, wall | times as fast, CPU |",
        "|---|---|---:|---:|---:|",
        *speed,
        "",
        "diffusers' own batches are quicker in some rows. evalkit does more for each image: each prompt is encoded",
        "alone (so that an interrupted run ends with the same bytes), and each file is kept with digest and record.",
        "",
        "## Outside the networks",
        "",
        "Text, noise, 30 scheduler steps, pixels, PNG and disk, per 512 px image in batches of 8; U-Net and decoder",
        "answer at once:",
        f"**{median(outside):.0f} ms** of one core ({min(outside):.0f}-{max(outside):.0f}, {len(outside)} batches).",
        "The bound is 60 ms.",
        "",
        "| file format, photograph-like 512 px picture | CPU ms | kB |",
        "|---|---:|---:|",
        *found["files"],
        "",
        "Lossless WebP is cheaper and is not taken: every tool of the field reads PNG, WebP only some.",
        "",
        "## Channels last",
        "",
        "CPU time of a U-Net call, channels last over contiguous; below 1 is faster. Two samples are one guided image.",
        "",
        "| model | samples | ratio |",
        "|---|---:|---:|",
        *found["formats"],
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
