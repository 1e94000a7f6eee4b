"""The check for unsafe pictures before people see them: `unsafe_image` on exactly what a study would show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.metrics import unsafe_image
from evalkit.metrics._metric import Picture, Workplace
from evalkit.outcome import Progress, silent
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

METRIC = "unsafe_image"
CANNOT_OFFEND = "procedural"
"""Loader whose pictures are seeded shapes."""


@dataclass(frozen=True)
class UnsafeImages:
    """`scores`: image key -> probability; `instrument`: what looked."""

    scores: dict[str, float]
    instrument: str

    def above(self, threshold: float | None) -> frozenset[str]:
        """Keys of the images that score more; none without a threshold."""
        return frozenset(key for key, score in self.scores.items() if threshold is not None and score > threshold)


def is_needed(resolved: ResolvedStudy) -> bool:
    """Whether a study's pictures must be looked at first: its models could draw people, or the study asks for it.

    The embedded miniatures draw emoji and the procedural loader shapes: they are left alone.
    """
    asked = any(choice.name == METRIC for choice in resolved.study.metrics)
    return asked or any(not card.miniature and card.loader != CANNOT_OFFEND for card in resolved.cards.values())


def look(run: Run, images: pd.DataFrame, settings: Settings, progress: Progress = silent) -> UnsafeImages:
    """Scores of `images` (rows of images.parquet): what `evalkit score` left is kept, the rest is computed.

    Raises:
        MissingExtraError: scores are missing, and the detector is not installed.
    """
    known, signed = _scored(run)
    left = images[~images["key"].isin(list(known))]
    if left.empty:
        return UnsafeImages({key: known[key] for key in images["key"]}, signed)
    workplace = Workplace(settings, run.path("features"), progress=progress)
    files = zip(left["path"], left["sha256"], strict=True)
    pictures = [Picture(settings.images_dir / path, sha256, "") for path, sha256 in files]
    found = dict(zip(left["key"], map(float, unsafe_image.score(pictures, workplace).values), strict=True))
    return UnsafeImages({key: (known | found)[key] for key in images["key"]}, unsafe_image.identity(workplace))


def _scored(run: Run) -> tuple[dict[str, float], str]:
    name = f"scores/{METRIC}.parquet"
    if not run.has(name):
        return {}, ""
    table = run.read_table(name, "scores_image").dropna(subset=["value"]).drop_duplicates("image_key")
    return dict(zip(table["image_key"], table["value"], strict=True)), str(next(iter(table["signature"]), ""))
