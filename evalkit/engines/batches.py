"""The batches of a plan. Every engine runs the same ones, so that where it ran changes no pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalkit.spec.plan import PlannedImage


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that are drawn at once."""

    images: tuple[PlannedImage, ...]
    size: int

    def full(self) -> list[PlannedImage]:
        """The images, and the last one again until the batch is full: kernels may round by the size of a batch."""
        return [*self.images, *[self.images[-1]] * (self.size - len(self.images))]


def cut(planned: Sequence[PlannedImage], size: int) -> list[Batch]:
    """The batches of one system's whole plan. They depend on nothing else, above all not on what is still missing: a
    batch that lacks an image is drawn again as a whole, so an interrupted run ends with the same bytes."""
    return [Batch(tuple(planned[start : start + size]), size) for start in range(0, len(planned), size)]


@dataclass(frozen=True)
class Work:
    """What is to be drawn."""

    whole: Sequence[PlannedImage]
    """all images of the study"""
    wanted: Sequence[PlannedImage]
    """the part that was asked for"""
    missing: frozenset[str]
    """keys of the part that are not there"""
    batch_size: int
    batches: dict[str, list[Batch]]
    """by system, in the order of drawing: those that lack an image of the part"""

    @property
    def images(self) -> int:
        """Images in those batches."""
        return sum(len(batch.images) for batches in self.batches.values() for batch in batches)


def work_for(
    whole: Sequence[PlannedImage], wanted: Sequence[PlannedImage], missing: set[str], systems: Iterable[str], size: int
) -> Work:
    """The batches that lack an image of which the key is in `missing`; a key that two systems share is drawn once."""
    batches: dict[str, list[Batch]] = {}
    left, of_system = set(missing), dict[str, list[PlannedImage]]()
    for image in whole:
        of_system.setdefault(image.system, []).append(image)
    for system in systems:
        for batch in cut(of_system.get(system, []), size):
            keys = {image.key for image in batch.images}
            if keys & left:
                batches.setdefault(system, []).append(batch)
                left -= keys
    return Work(whole, wanted, frozenset(missing), size, batches)
