"""Images that a checkpoint's safety checker or the unsafe-image check flagged: raters are not shown them.

An image is left out together with the other systems' images of the same prompt and number, so that every pair of
systems is still compared on the same prompts. What is left out is counted and listed; if the checker objects to one
system more than to another, that is a result of its own, and the report says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import VotingError
from evalkit.spec.plan import PlannedImage

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SafetyCheck:
    """What a detector of unsafe pictures said before anybody saw them, or why nobody asked it (`unchecked`).

    `above`: keys of the images over the study's threshold.
    """

    checked: int = 0
    above: frozenset[str] = frozenset()
    threshold: float | None = None
    instrument: str = ""
    unchecked: str = ""

    @property
    def detail(self) -> dict[str, Any]:
        """As the log of the study has it: counts, and no image."""
        if self.unchecked:
            return {"unchecked": self.unchecked}
        if not self.checked:
            return {}
        told = {"checked": self.checked, "above": len(self.above), "threshold": self.threshold}
        return {"unsafe_images": told | {"instrument": self.instrument}}


@dataclass(frozen=True)
class Shown:
    """What raters see, and what they do not."""

    images: tuple[PlannedImage, ...]
    flagged: tuple[PlannedImage, ...]
    left_out: int
    """images that are not shown: the flagged ones and those beside them"""


def without_flagged(
    planned: Sequence[PlannedImage],
    images: pd.DataFrame,
    unsafe: frozenset[str] = frozenset(),
    *,
    needed: bool = True,
) -> Shown:
    """The planned images without the scenes (prompt, language, number) of which one image is flagged or unsafe.

    Raises:
        VotingError: nothing is left, though it is `needed`.
    """
    objected = set(images.loc[images["flagged"], "key"]) | unsafe
    flagged = tuple(image for image in planned if image.key in objected)
    scenes = {_scene(image) for image in flagged}
    kept = tuple(image for image in planned if _scene(image) not in scenes)
    if needed and flagged and not kept:
        hint = "take more images or another voting.seed; --no-safety-checker and voting.unsafe_above change the rule"
        raise VotingError("nothing is left for raters: one image of each prompt is flagged", hint=hint)
    return Shown(kept, flagged, len(planned) - len(kept))


def named(image: PlannedImage) -> str:
    """An image as people would name it."""
    return f"{image.system}: prompt {image.prompt.key} ({image.prompt.lang}), image {image.index + 1}"


def _scene(image: PlannedImage) -> tuple[str, str, int]:
    return image.prompt.key, image.prompt.lang, image.index
