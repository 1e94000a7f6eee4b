"""Features of fresh renders: the reference side of the Frechet distance on EfficientNet-lite0 (FD-lite0)."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.training import graphics, scenes, vocabulary

RENDERS, SEED = 1_008, 51_966
BATCH = 24


def render_folder(work: Path, folder: Path, n: int = RENDERS) -> None:
    """Write n fresh renders as PNG, scenes in turn over all 480 combinations: 0000.png ... They are never committed."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(_renders(work, n)):
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def write_references(work: Path, folder: Path) -> None:
    """Write `emoji-renders.npz`: features (1008, 1280) float16, prompts, and how they were made.

    Computed straight from pixels as the extractor computes them from a file; identity names weights and resizing.
    """
    from evalkit.extractors import lite0
    from evalkit.settings import settings

    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "emoji-renders.npz",
        features=lite0_features(_renders(work, RENDERS)).astype(np.float16),
        prompts=np.array([vocabulary.canonical(scene) for scene in _scenes(RENDERS)]),
        extractor=lite0.identity(settings()),
        made_by=f"python -m evalkit.training references (seed {SEED}, {graphics.PACKAGE})",
    )


def lite0_features(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """EfficientNet-lite0 features (n, 1280) of pictures (n, 64, 64, 3), with the extractor's own preprocessing."""
    import torch

    from evalkit.extractors import lite0

    parts = []
    for start in range(0, len(pixels), BATCH):
        inputs = np.stack([lite0.prepare(Image.fromarray(picture)) for picture in pixels[start : start + BATCH]])
        with torch.inference_mode():
            parts.append(_network()(torch.from_numpy(inputs)).float().numpy())
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def _network() -> Any:
    import torch

    from evalkit.extractors import lite0

    return lite0.build(torch.load(lite0.weights_file(), weights_only=True))


def _renders(work: Path, n: int) -> NDArray[np.uint8]:
    graphics.fetch(work / "graphics")
    return scenes.scene_batch(scenes.load_graphics(work / "graphics"), _scenes(n), SEED).pixels


def _scenes(n: int) -> list[vocabulary.Scene]:
    every = vocabulary.scenes("all")
    return [every[number % len(every)] for number in range(n)]
