"""Measures the exported pair: the asked object, the asked colour, what steps bring, whether it is more than memory.

Every number hangs on one seed: it draws the noise, the fresh renders and, below 480 pictures, which scenes are asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.errors import UnavailableError
from evalkit.outcome import Progress, silent
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.training import (
    autoencoder,
    cost,
    drawing,
    export,
    graphics,
    ladder,
    naming,
    novelty,
    scenes,
    sheet,
    vocabulary,
)
from evalkit.training.cost import EightImages, StepCost
from evalkit.training.ladder import Ladder
from evalkit.training.naming import Named
from evalkit.training.novelty import Novelty
from evalkit.training.pictures import Features, Lite0Features, Pictures, Pixels
from evalkit.training.pipeline import PICTURES
from evalkit.training.vocabulary import COLOUR_NAMES, HELD_OUT_TEMPLATES, KINDS, TEMPLATES, Part, Scene

SYSTEMS = ("emoji-sd", "emoji-nas")
PUBLISHED_STEPS = {"emoji-sd": 50, "emoji-nas": 30}
STEPS = (30, 50)
NOISE_SEED, RENDER_SEED, CHOICE_SEED = 4_242, 777, 5
Judge = Callable[[Pixels], Named]


@dataclass(frozen=True)
class Accuracy:
    """How often a judge names the asked object or background.

    share: accuracy relative to the same judge's on fresh renders of all combinations; None for those renders. Its
    bounds divide the two Wilson intervals crosswise, so it is wide rather than narrow.
    """

    pictures: str
    steps: int | None
    prompts: str
    judge: str
    what: str
    accuracy: Estimate
    share: Estimate | None


@dataclass(frozen=True)
class Check:
    """All results: accuracies, quality against steps, nearest training renders, cost, size on disk."""

    n: int
    seed: int
    guidance: drawing.Guidance
    accuracies: tuple[Accuracy, ...]
    ladders: tuple[Ladder, ...]
    nearest: tuple[Novelty, ...]
    cost: StepCost
    eight: tuple[EightImages, ...]
    megabytes: float
    reading: Estimate


@dataclass(frozen=True)
class Request:
    """A list of scenes to ask for, in the words of some templates."""

    label: str
    part: Part
    templates: tuple[str, ...]
    steps: tuple[int, ...] = (30,)
    share: float = 1.0


ALL = Request("all combinations", "all", TEMPLATES[:1], STEPS)
REQUESTS = (
    ALL,
    Request("held-out combinations", "held_out", TEMPLATES[:1], share=0.1),
    Request("held-out template, known words", "seen", HELD_OUT_TEMPLATES[:1], share=0.2),
    Request("held-out template, new words", "seen", HELD_OUT_TEMPLATES[1:], share=0.2),
)


@dataclass(frozen=True)
class Bench:
    """What a check measures with: graphics, judges, the drawn pictures and their features, and the seed of it all."""

    sprites: scenes.Graphics
    judges: Mapping[str, Judge]
    pictures: Pictures
    features: Features
    seed: int

    def draw(self, system: str, prompts: Sequence[str], steps: int) -> Pixels:
        return self.pictures.of(system, prompts, steps, noise_seed(self.seed))


def measure(weights: Path, work: Path, n: int, seed: int = 0, progress: Progress = silent) -> Check:
    """Draw n pictures per system and step count (fewer for the held-out parts), judge them, and compare step counts.

    Pictures are kept under `work`/check: the same seed, n and weights are drawn once, also when a check was cut off.

    Raises:
        UnavailableError: weights are missing, or the graphics can't be fetched.
    """
    bench = _bench(weights, work, seed, progress)
    asked = asked_scenes(ALL, n, seed)
    prompts = [prompt for _, prompt in asked]
    pipelines = {name: drawing.load(weights / name) for name in SYSTEMS}
    own = _on_renders(bench, n)
    softened = _on_renders(bench, n, pipelines[SYSTEMS[0]].vae)
    found = [row for name in SYSTEMS for row in _of_system(name, bench, own, n)]
    published = {name: bench.draw(name, prompts, steps) for name, steps in PUBLISHED_STEPS.items()}
    scene_of = [scene for scene, _ in asked]
    return Check(
        n,
        seed,
        drawing.Guidance(),
        (*own, *softened, *found),
        tuple(_ladder(name, bench, prompts, weights) for name in SYSTEMS),
        novelty.novelty(bench.sprites, published, scene_of, pipelines[SYSTEMS[0]].vae, PICTURES),
        cost.step_cost(pipelines),
        tuple(cost.eight_images(pipelines[name], name, steps) for name, steps in PUBLISHED_STEPS.items()),
        export.megabytes(weights / name for name in (*SYSTEMS, "emoji-clip")),
        sheet.reading(weights),
    )


def _ladder(system: str, bench: Bench, prompts: Sequence[str], weights: Path) -> Ladder:
    drawn = {steps: bench.draw(system, prompts, steps) for steps in ladder.STEPS}
    return ladder.ladder(system, drawn, prompts, weights / "references" / "emoji-renders.npz", bench.features)


def _bench(weights: Path, work: Path, seed: int, progress: Progress) -> Bench:
    if missing := [name for name in (*SYSTEMS, "emoji-clip") if not (weights / name).is_dir()]:
        raise UnavailableError("weights are missing", where=missing[0], hint="run `python -m evalkit.training run`")
    graphics.fetch(work / "graphics")
    sprites = scenes.load_graphics(work / "graphics")
    features = Lite0Features(work / "check" / "features")
    outside = naming.outside_judge(sprites, features)
    judges = {"emoji-clip": load_clip(weights / "emoji-clip"), "outside": outside.name}
    return Bench(sprites, judges, Pictures(weights, work / "check", progress), features, seed)


def load_clip(folder: Path) -> Judge:
    """emoji-clip as exported, as a judge of pictures."""
    from transformers import CLIPModel, CLIPTokenizer

    network, words = CLIPModel.from_pretrained(folder).float().eval(), CLIPTokenizer.from_pretrained(folder)
    return lambda pixels: naming.by_clip(network, words, pixels)


def wanted_scenes(part: Part, n: int, seed: int = 0) -> tuple[Scene, ...]:
    """n scenes of a part without repeats (all of it at most), in a random order of the seed."""
    pool = vocabulary.scenes(part)
    order = np.random.default_rng(CHOICE_SEED + seed).permutation(len(pool))
    return tuple(pool[index] for index in order[:n])


def judge_pictures(judge: Judge, asked: Sequence[Scene], pixels: Pixels) -> dict[str, Estimate]:
    """Shares of pictures whose object, background, and both, the judge names as asked, with Wilson intervals."""
    named = judge(pixels)
    objects = named.kinds == np.array([scene.kind for scene in asked])
    colours = named.colours == np.array([scene.colour for scene in asked])
    right = {"object": objects, "background": colours, "both": objects & colours}
    return {what: wilson(int(hits.sum()), len(asked)) for what, hits in right.items()}


def _on_renders(bench: Bench, n: int, through: Any = None) -> list[Accuracy]:
    """The judges on fresh renders, or on these through an autoencoder: the best that a denoiser can reach."""
    asked = wanted_scenes("all", n, bench.seed)
    pixels = scenes.scene_batch(bench.sprites, asked, RENDER_SEED + bench.seed).pixels
    pixels = pixels if through is None else autoencoder.round_trip(through, pixels)
    shown = "fresh renders" if through is None else "autoencoder"
    return [
        Accuracy(shown, None, ALL.label, name, what, estimate, None)
        for name, judge in bench.judges.items()
        for what, estimate in judge_pictures(judge, asked, pixels).items()
    ]


def _of_system(name: str, bench: Bench, own: Sequence[Accuracy], n: int) -> list[Accuracy]:
    """All requests to one system, as both judges see them; all combinations at each step count of the ladder."""
    ceiling = {(row.judge, row.what): row.accuracy for row in own}
    rows = []
    for request in REQUESTS:
        asked = asked_scenes(request, n, bench.seed)
        steps_asked = ladder.STEPS if request is ALL else request.steps
        for steps in steps_asked:
            pixels = bench.draw(name, [prompt for _, prompt in asked], steps)
            for judge, see in bench.judges.items():
                for what, estimate in judge_pictures(see, [scene for scene, _ in asked], pixels).items():
                    share = relative(estimate, ceiling[judge, what])
                    rows.append(Accuracy(name, steps, request.label, judge, what, estimate, share))
    return rows


def asked_scenes(request: Request, n: int, seed: int) -> list[tuple[Scene, str]]:
    """The scenes of a request, each with its sentence."""
    asked = wanted_scenes(request.part, max(8, round(n * request.share)), seed)
    return [(scene, _words(request.templates[i % len(request.templates)], scene)) for i, scene in enumerate(asked)]


def noise_seed(seed: int) -> int:
    """The seed of the first picture's noise, far enough from that of the next seed of a check."""
    return NOISE_SEED + 10_000 * seed


def relative(found: Estimate, ceiling: Estimate) -> Estimate:
    """found / ceiling; bounds: low / high and high / low of the two intervals."""
    method = "ratio, Wilson bounds crosswise"
    if not (found.value is not None and found.low is not None and found.high is not None and ceiling.value):
        return Estimate(None, None, None, found.n, method, note="no pictures, or the judge is never right")
    assert ceiling.low is not None and ceiling.high is not None
    high = found.high / ceiling.low if ceiling.low else None
    return Estimate(found.value / ceiling.value, found.low / ceiling.high, high, found.n, method)


def _words(template: str, scene: Scene) -> str:
    return vocabulary.caption(template, KINDS[scene.kind].name, COLOUR_NAMES[scene.colour])
