"""Fragile? The same images after other resizing and after JPEG, which nobody sees: how much does the distance move?"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from evalkit.extractors import Rows
from evalkit.extractors._cache import cached_features
from evalkit.extractors._pictures import read_rgb
from evalkit.metrics._health_rows import Subject, jackknifed, row
from evalkit.metrics._metric import Floats
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments, frechet_distance_to, moments

PANEL, BATCH = "fragile", 32
Change = Callable[[Image.Image, int], Image.Image]


def _resized(kind: Image.Resampling) -> Change:
    return lambda image, side: image.resize((side, side), kind)


def _jpeg(quality: int) -> Change:
    def change(image: Image.Image, side: int) -> Image.Image:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        with Image.open(content) as opened:
            return opened.convert("RGB")

    return change


CHANGES: dict[str, Change] = {
    "resize: bilinear, 8 bits": _resized(Image.Resampling.BILINEAR),
    "resize: Lanczos, 8 bits": _resized(Image.Resampling.LANCZOS),
    "resize: nearest neighbour": _resized(Image.Resampling.NEAREST),
    "JPEG 95": _jpeg(95),
    "JPEG 90": _jpeg(90),
    "JPEG 75": _jpeg(75),
}


def fragile_rows(subject: Subject) -> list[dict[str, Any]]:
    """The distance with its interval, and for each change the mean shift with its range over the images' seeds."""
    if (axes := subject.axes) is None:
        note = f"{len(subject.features.rows)} images: too few for a distance with an interval"
        return [row(PANEL, subject.system, "distance", "as generated", Estimate(None, None, None, 0, "", note=note))]
    own, base = subject.projected(subject.features.rows, axes)
    name, whole = f"FD-pca{axes}", moments([base])
    found = [row(PANEL, subject.system, name, "as generated", jackknifed(subject, own, base).corrected)]
    parts = _seeds(subject)
    for setting, change in CHANGES.items():
        moved, _ = subject.projected(_features_after(subject, setting, change), axes)
        shifts = [_distance(moved[part], whole) - _distance(own[part], whole) for part in parts]
        method = f"mean of {len(parts)} seeds, and their smallest and largest"
        shift = Estimate(float(np.mean(shifts)), min(shifts), max(shifts), len(own), method)
        found.append(row(PANEL, subject.system, f"change of {name}", setting, shift))
    return found


def _distance(rows: Floats, whole: Moments) -> float:
    return frechet_distance_to(rows, whole)


def _seeds(subject: Subject) -> list[np.ndarray[Any, Any]]:
    """Rows of each image number (another seed of the same prompts); of one seed only, five random halves of prompts."""
    index = subject.images["image_index"].to_numpy()
    if np.unique(index).size > 1:
        return [np.flatnonzero(index == one) for one in np.unique(index)]
    rng, names = np.random.default_rng([subject.seed, 2]), np.unique(subject.features.prompts)
    halves = [rng.choice(names, max(2, names.size // 2), replace=False) for _ in range(5)]
    return [np.flatnonzero(np.isin(subject.features.prompts, half)) for half in halves]


def _features_after(subject: Subject, setting: str, change: Change) -> Floats:
    """Features of the changed images, kept like others, under an identity of their own."""
    paths = dict(zip(subject.images["sha256"], subject.images["file"], strict=True))
    workplace, identity = subject.workplace, f"{subject.identity}|after {setting}"

    def load() -> Callable[[Sequence[Path]], Iterator[Rows]]:
        embed = subject.load()

        def run(files: Sequence[Path]) -> Iterator[Rows]:
            for start in range(0, len(files), BATCH):
                with TemporaryDirectory() as folder:
                    part = files[start : start + BATCH]
                    targets = [Path(folder) / f"{place}.png" for place in range(len(part))]
                    for file, target in zip(part, targets, strict=True):
                        change(read_rgb(file), subject.side).save(target, compress_level=1)
                    yield from embed(targets)

        return run

    found = cached_features(paths, identity, load, *workplace.cache)
    return np.asarray(found.of(subject.images["sha256"].tolist()), dtype=np.float64)
