"""The drawing of one system's batches, wherever a worker sits: a model once, then images, each kept with its facts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evalkit import models
from evalkit.engines import Job
from evalkit.engines.batches import Batch
from evalkit.errors import ModelError, OutOfMemoryError
from evalkit.settings import Settings
from evalkit.spec.catalog import ModelCard
from evalkit.spec.resolve import WITHOUT_FILES
from evalkit.spec.study import System
from evalkit.store.images import DrawnImage, ImageFacts, keep_image
from evalkit.store.manifest import versions

WRITERS = 2
"""Images of a batch that are encoded and written at once."""
Drawn = tuple[list[DrawnImage], float]
"""The images of a batch, and the seconds that each took."""


@dataclass(frozen=True)
class Kept:
    """A batch whose images are in the store."""

    batch: Batch
    facts: tuple[ImageFacts, ...]
    differing: tuple[str, ...]
    """keys of images that were there with other bytes"""


@dataclass(frozen=True)
class Painting:
    """How a system is drawn; called by each worker, it loads the model."""

    system: System
    card: ModelCard
    settings: Settings
    device: str
    """what the run is drawn on"""
    compiled: bool
    vae_slicing: bool

    def __call__(self) -> Job[Batch, Drawn, Kept]:
        generator = models.load(self.card, self.settings, compiled=self.compiled, vae_slicing=self.vae_slicing)
        made = generator.made | {"versions": versions()}
        if self.card.loader not in WITHOUT_FILES and (made["device"] == "cpu") != (self.device == "cpu"):
            what = f"this worker draws on {made['device']}, the run on {self.device}: another number format"
            raise ModelError(what, where=self.system.name, hint="let all workers have the same kind of device")

        def draw(batch: Batch) -> Drawn:
            started = time.perf_counter()
            images = self._images(generator, batch)[: len(batch.images)]
            return images, (time.perf_counter() - started) / batch.size

        return Job(draw, lambda batch, drawn: self._keep(batch, *drawn, made))

    def _images(self, generator: models.Generator, batch: Batch) -> list[DrawnImage]:
        planned = batch.full()
        try:
            return generator.generate(
                [image.prompt.text for image in planned], [image.seed for image in planned], self.system.sampling
            )
        except OutOfMemoryError as error:
            raise OutOfMemoryError(error.what, where=self.system.name, hint=error.hint) from None
        except MemoryError:
            raise OutOfMemoryError("memory is too small for so many images at once", where=self.system.name) from None

    def _keep(self, batch: Batch, images: Sequence[DrawnImage], seconds: float, made: dict[str, Any]) -> Kept:
        def keep(key: str, image: DrawnImage) -> tuple[ImageFacts, bool]:
            folder, took = self.settings.images_dir, round(seconds, 4)
            return keep_image(folder, key, image, seconds=took, batch_size=batch.size, made=made)

        keys = [image.key for image in batch.images]
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="writer") as writers:
            kept = list(writers.map(keep, keys, images))
        differing = tuple(key for key, (_, same) in zip(keys, kept, strict=True) if not same)
        return Kept(batch, tuple(facts for facts, _ in kept), differing)
