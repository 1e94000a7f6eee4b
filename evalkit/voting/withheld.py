"""Images that a checkpoint's own safety checker flagged: raters are not shown them.

An image is left out together with the other systems' images of the same prompt and number, so that every pair of
systems is still compared on the same prompts. What is left out is counted and listed; if the checker objects to one
system more than to another, that is a result of its own, and the report says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import VotingError
from evalkit.spec.plan import PlannedImage

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Shown:
    """What raters see, and what they do not."""

    images: tuple[PlannedImage, ...]
    flagged: tuple[PlannedImage, ...]
    left_out: int
    """images that are not shown: the flagged ones and those beside them"""


def without_flagged(planned: Sequence[PlannedImage], images: pd.DataFrame, *, needed: bool = True) -> Shown:
    """The planned images without the scenes (prompt, language, number) of which one image is flagged.

    Raises:
        VotingError: nothing is left, though it is `needed`.
    """
    objected = set(images.loc[images["flagged"], "key"])
    flagged = tuple(image for image in planned if image.key in objected)
    scenes = {_scene(image) for image in flagged}
    kept = tuple(image for image in planned if _scene(image) not in scenes)
    if needed and flagged and not kept:
        hint = "take more images or another voting.seed, or draw with --no-safety-checker"
        raise VotingError("nothing is left for raters: one image of each prompt is flagged", hint=hint)
    return Shown(kept, flagged, len(planned) - len(kept))


def named(image: PlannedImage) -> str:
    """An image as people would name it."""
    return f"{image.system}: prompt {image.prompt.key} ({image.prompt.lang}), image {image.index + 1}"


def _scene(image: PlannedImage) -> tuple[str, str, int]:
    return image.prompt.key, image.prompt.lang, image.index
