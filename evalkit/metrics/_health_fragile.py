"""Fragile? The same images after other resizing and after JPEG, which nobody sees: how much does the distance move?"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from evalkit.extractors import Rows as Features
from evalkit.extractors._cache import cached_features
from evalkit.extractors._pictures import read_rgb
from evalkit.metrics._health_rows import STATISTICS, Subject, jackknifed, nothing, row
from evalkit.metrics._metric import FeatureSet
from evalkit.metrics._sheet import with_note
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments, Rows, blocks, frechet_distance_to, moments

PANEL, BATCH = "fragile", 32
MOST_IMAGES = 256
"""Images a system in this panel, of whole prompts drawn by the study's seed: each processing costs a network pass."""
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
    there = len(subject.features.rows)
    subject = drawn(subject)
    if (axes := subject.axes) is None:
        given = f"the reference set {STATISTICS}" if subject.reference.moments else ""
        note = given or f"{subject.counts}: too few for a distance with an interval"
        return [nothing(PANEL, subject.system, "distance", "as generated", note)]
    own, base = subject.projected(subject.features.rows, axes)
    name, whole = f"FD-pca{axes}", moments(blocks(base))
    distance = with_note(jackknifed(subject, own, base).corrected, _said(subject, there))
    found = [row(PANEL, subject.system, name, "as generated", distance)]
    parts = _seeds(subject)
    for setting, change in CHANGES.items():
        moved, _ = subject.projected(_features_after(subject, setting, change), axes)
        shifts = [_distance(moved[part], whole) - _distance(own[part], whole) for part in parts]
        method = f"mean of {len(parts)} seeds, and their smallest and largest"
        shift = Estimate(float(np.mean(shifts)), min(shifts), max(shifts), len(own), method)
        found.append(row(PANEL, subject.system, f"change of {name}", setting, shift))
    return found


def drawn(subject: Subject) -> Subject:
    """The subject with `MOST_IMAGES` images at most, of whole prompts that the seed draws, whatever their order."""
    if len(subject.images) <= MOST_IMAGES:
        return subject
    prompts = subject.features.prompts
    names, counts = np.unique(prompts, return_counts=True)
    order = np.random.default_rng([subject.seed, 4]).permutation(names.size)
    taken = max(1, int(np.searchsorted(np.cumsum(counts[order]), MOST_IMAGES, side="right")))
    kept = np.flatnonzero(np.isin(prompts, names[order[:taken]]))
    features = FeatureSet(subject.features.rows[kept], prompts[kept])
    return replace(subject, images=subject.images.iloc[kept].reset_index(drop=True), features=features)


def _said(subject: Subject, there: int) -> str:
    """What part of the images this panel saw; "" where it saw all."""
    seen, prompts = len(subject.features.rows), np.unique(subject.features.prompts).size
    return f"{seen} of {there} images, of {prompts} prompts drawn by seed {subject.seed}" if seen < there else ""


def _distance(rows: Rows, whole: Moments) -> float:
    return frechet_distance_to(rows, whole)


def _seeds(subject: Subject) -> list[np.ndarray[Any, Any]]:
    """Rows of each image number (another seed of the same prompts); of one seed only, five random halves of prompts."""
    index = subject.images["image_index"].to_numpy()
    if np.unique(index).size > 1:
        return [np.flatnonzero(index == one) for one in np.unique(index)]
    rng, names = np.random.default_rng([subject.seed, 2]), np.unique(subject.features.prompts)
    halves = [rng.choice(names, max(2, names.size // 2), replace=False) for _ in range(5)]
    return [np.flatnonzero(np.isin(subject.features.prompts, half)) for half in halves]


def _features_after(subject: Subject, setting: str, change: Change) -> Rows:
    """Features of the changed images, kept like others, under an identity of their own."""
    paths = dict(zip(subject.images["sha256"], subject.images["file"], strict=True))
    workplace, identity = subject.workplace, f"{subject.identity}|after {setting}"

    def load() -> Callable[[Sequence[Path]], Iterator[Features]]:
        embed = subject.load()

        def run(files: Sequence[Path]) -> Iterator[Features]:
            for start in range(0, len(files), BATCH):
                with TemporaryDirectory() as folder:
                    part = files[start : start + BATCH]
                    targets = [Path(folder) / f"{place}.png" for place in range(len(part))]
                    for file, target in zip(part, targets, strict=True):
                        change(read_rgb(file), subject.side).save(target, compress_level=1)
                    yield from embed(targets)

        return run

    found = cached_features(paths, identity, load, *workplace.cache)
    return found.of(subject.images["sha256"].tolist())
