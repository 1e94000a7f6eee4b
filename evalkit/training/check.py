"""Measures the exported pair: is the asked object there, on the asked colour, how fast, and is it more than memory?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UnavailableError
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.training import autoencoder, drawing, export, graphics, naming, novelty, references, scenes, vocabulary
from evalkit.training.naming import Named
from evalkit.training.novelty import Cost, Novelty
from evalkit.training.vocabulary import COLOUR_NAMES, HELD_OUT_TEMPLATES, KINDS, TEMPLATES, Part, Scene

SYSTEMS = ("emoji-sd", "emoji-nas")
STEPS = (30, 50)
NOISE_SEED, RENDER_SEED, CHOICE_SEED = 4_242, 777, 5
Judge = Callable[[NDArray[np.uint8]], Named]


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
    """All results: accuracies, distance to the nearest training render, cost of a denoising step, size on disk."""

    n: int
    guidance: drawing.Guidance
    accuracies: tuple[Accuracy, ...]
    nearest: tuple[Novelty, ...]
    cost: Cost
    megabytes: float


@dataclass(frozen=True)
class Request:
    """A list of scenes to ask for, in the words of some templates."""

    label: str
    part: Part
    templates: tuple[str, ...]
    steps: tuple[int, ...] = (30,)
    share: float = 1.0


REQUESTS = (
    Request("all combinations", "all", TEMPLATES[:1], STEPS),
    Request("held-out combinations", "held_out", TEMPLATES[:1], share=0.1),
    Request("held-out template, known words", "seen", HELD_OUT_TEMPLATES[:1], share=0.2),
    Request("held-out template, new words", "seen", HELD_OUT_TEMPLATES[1:], share=0.2),
)


def measure(weights: Path, work: Path, n: int) -> Check:
    """Draw n pictures per system and step count and judge them; fewer for the held-out parts.

    Raises:
        UnavailableError: weights are missing, or the graphics can't be fetched.
    """
    if missing := [name for name in (*SYSTEMS, "emoji-clip") if not (weights / name).is_dir()]:
        raise UnavailableError("weights are missing", where=missing[0], hint="run `python -m evalkit.training run`")
    graphics.fetch(work / "graphics")
    sprites = scenes.load_graphics(work / "graphics")
    judges = _judges(sprites, weights)
    pipelines = {name: drawing.load(weights / name) for name in SYSTEMS}
    own = _on_renders(sprites, judges, n)
    softened = _on_renders(sprites, judges, n, pipelines[SYSTEMS[0]].vae)
    kept: dict[str, NDArray[np.uint8]] = {}
    found = [row for name in SYSTEMS for row in _of_system(name, pipelines[name], judges, own, n, kept)]
    return Check(
        n,
        drawing.Guidance(),
        (*own, *softened, *found),
        novelty.nearest_training_render(sprites, kept),
        novelty.step_cost(pipelines),
        export.megabytes(weights / name for name in (*SYSTEMS, "emoji-clip")),
    )


def load_clip(folder: Path) -> Judge:
    """emoji-clip as exported, as a judge of pictures."""
    from transformers import CLIPModel, CLIPTokenizer

    network, words = CLIPModel.from_pretrained(folder).float().eval(), CLIPTokenizer.from_pretrained(folder)
    return lambda pixels: naming.by_clip(network, words, pixels)


def wanted_scenes(part: Part, n: int) -> tuple[Scene, ...]:
    """n scenes of a part without repeats (all of it at most), in a fixed random order."""
    pool = vocabulary.scenes(part)
    order = np.random.default_rng(CHOICE_SEED).permutation(len(pool))
    return tuple(pool[index] for index in order[:n])


def judge_pictures(judge: Judge, asked: Sequence[Scene], pixels: NDArray[np.uint8]) -> dict[str, Estimate]:
    """Shares of pictures whose object, background, and both, the judge names as asked, with Wilson intervals."""
    named = judge(pixels)
    objects = named.kinds == np.array([scene.kind for scene in asked])
    colours = named.colours == np.array([scene.colour for scene in asked])
    right = {"object": objects, "background": colours, "both": objects & colours}
    return {what: wilson(int(hits.sum()), len(asked)) for what, hits in right.items()}


def _judges(sprites: scenes.Graphics, weights: Path) -> dict[str, Judge]:
    outside = naming.outside_judge(sprites, references.lite0_features)
    return {"emoji-clip": load_clip(weights / "emoji-clip"), "outside": outside.name}


def _on_renders(sprites: scenes.Graphics, judges: Mapping[str, Judge], n: int, through: Any = None) -> list[Accuracy]:
    """The judges on fresh renders, or on these through an autoencoder: the best that a denoiser can reach."""
    asked = wanted_scenes("all", n)
    pixels = scenes.scene_batch(sprites, asked, RENDER_SEED).pixels
    pixels = pixels if through is None else autoencoder.round_trip(through, pixels)
    return [
        Accuracy(
            "fresh renders" if through is None else "autoencoder", None, "all combinations", name, what, estimate, None
        )
        for name, judge in judges.items()
        for what, estimate in judge_pictures(judge, asked, pixels).items()
    ]


def _of_system(
    name: str,
    pipeline: Any,
    judges: Mapping[str, Judge],
    own: Sequence[Accuracy],
    n: int,
    kept: dict[str, NDArray[np.uint8]],
) -> list[Accuracy]:
    """All requests to one system; `kept` gets its pictures of all combinations."""
    ceiling = {(row.judge, row.what): row.accuracy for row in own}
    rows = []
    for request in REQUESTS:
        asked = wanted_scenes(request.part, max(8, round(n * request.share)))
        prompts = [_words(request.templates[i % len(request.templates)], scene) for i, scene in enumerate(asked)]
        for steps in request.steps:
            pixels = drawing.draw(pipeline, prompts, steps, seed=NOISE_SEED)
            kept.setdefault(name, pixels)
            for judge, see in judges.items():
                for what, estimate in judge_pictures(see, asked, pixels).items():
                    share = relative(estimate, ceiling[judge, what])
                    rows.append(Accuracy(name, steps, request.label, judge, what, estimate, share))
    return rows


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
