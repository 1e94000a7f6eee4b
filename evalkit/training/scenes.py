"""Draws emoji scenes: one graphic, a little scaled and shifted, on one coloured background. Seeded by (seed, step)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.errors import UnavailableError
from evalkit.training import vocabulary
from evalkit.training.vocabulary import COLOUR_NAMES, COLOURS, KINDS, Scene

SIDE = 64
OBJECT_SIDES = range(42, 51)
LARGEST_SHIFT = 4
COLOUR_JITTER = 9


@dataclass(frozen=True)
class Graphics:
    """Every object at every side length: (side, side, 4) float32 in 0-1, colour multiplied by alpha."""

    sprites: tuple[dict[int, NDArray[np.float32]], ...]


@dataclass(frozen=True)
class Batch:
    """pixels: (n, 64, 64, 3) uint8; captions and scenes: n each."""

    pixels: NDArray[np.uint8]
    captions: tuple[str, ...]
    scenes: tuple[Scene, ...]


def load_graphics(folder: Path) -> Graphics:
    """Read one PNG per object, named by code point. Raises UnavailableError when one is not there."""
    return Graphics(tuple(_sprite(folder / f"{kind.code}.png") for kind in KINDS))


def training_batch(graphics: Graphics, n: int, seed: int, step: int) -> Batch:
    """Batch `step` of the endless training stream of `seed`: seen combinations and training templates only."""
    return _batch(graphics, n, np.random.default_rng((seed, step)), vocabulary.scenes("seen"), varied_caption)


def scene_batch(graphics: Graphics, wanted: Sequence[Scene], seed: int) -> Batch:
    """One fresh picture of each wanted scene, with its canonical caption."""
    generator = np.random.default_rng((seed, 1_000_003))
    pixels = np.stack([draw(graphics, scene, generator) for scene in wanted])
    return Batch(pixels, tuple(vocabulary.canonical(scene) for scene in wanted), tuple(wanted))


def draw(graphics: Graphics, scene: Scene, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One picture (64, 64, 3): background colour, side and place of the object vary a little."""
    background = np.array(COLOURS[COLOUR_NAMES[scene.colour]]) + generator.integers(
        -COLOUR_JITTER, COLOUR_JITTER + 1, 3
    )
    side = int(generator.choice(OBJECT_SIDES))
    top, left = (SIDE - side) // 2 + generator.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, 2)
    picture = np.broadcast_to(np.clip(background, 0, 255) / 255, (SIDE, SIDE, 3)).astype(np.float32)
    sprite = graphics.sprites[scene.kind][side]
    window = picture[top : top + side, left : left + side]
    window *= 1 - sprite[..., 3:]
    window += sprite[..., :3]
    rounded: NDArray[np.uint8] = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return rounded


def varied_caption(scene: Scene, generator: np.random.Generator) -> str:
    """A training caption: the canonical template in half of the cases, the canonical names in two thirds."""
    template = vocabulary.TEMPLATES[max(0, int(generator.integers(-6, len(vocabulary.TEMPLATES))))]
    kind, colour = KINDS[scene.kind], COLOUR_NAMES[scene.colour]
    return vocabulary.caption(
        template,
        _pick(kind.name, kind.synonyms, generator),
        _pick(colour, vocabulary.COLOUR_SYNONYMS.get(colour, ()), generator),
    )


def _pick(name: str, synonyms: tuple[str, ...], generator: np.random.Generator) -> str:
    return str(generator.choice(synonyms)) if generator.random() < 1 / 3 and synonyms else name


def _batch(
    graphics: Graphics,
    n: int,
    generator: np.random.Generator,
    pool: tuple[Scene, ...],
    say: Callable[[Scene, np.random.Generator], str],
) -> Batch:
    chosen = tuple(pool[index] for index in generator.integers(0, len(pool), n))
    pixels = np.stack([draw(graphics, scene, generator) for scene in chosen])
    return Batch(pixels, tuple(say(scene, generator) for scene in chosen), chosen)


def _sprite(path: Path) -> dict[int, NDArray[np.float32]]:
    if not path.exists():
        raise UnavailableError(
            "an emoji graphic is missing", where=str(path), hint="run `python -m evalkit.training fetch` first"
        )
    image = Image.open(path).convert("RGBA")
    return {side: _premultiplied(image.resize((side, side), Image.Resampling.LANCZOS)) for side in OBJECT_SIDES}


def _premultiplied(image: Image.Image) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.asarray(image, dtype=np.float32) / np.float32(255)
    values[..., :3] *= values[..., 3:]
    return values
