"""Parts of a study's images that get numbers of their own: all, by category, by challenge, by language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OVERALL = "overall"


@dataclass(frozen=True)
class Slice:
    """Some of the images: "overall", "category: Animals", "challenge: Imagination" or "language: es"."""

    name: str
    lang: str
    images: pd.DataFrame


def slices(images: pd.DataFrame) -> list[Slice]:
    """The slices of a study; a column with one value only makes none."""
    parts = [Slice(OVERALL, "", images)]
    for column, word in {"category": "category", "challenge": "challenge", "lang": "language"}.items():
        groups = [(str(value), rows) for value, rows in images.groupby(column, sort=True) if value]
        if len(groups) > 1:
            parts += [Slice(f"{word}: {value}", value if column == "lang" else "", rows) for value, rows in groups]
    return parts
