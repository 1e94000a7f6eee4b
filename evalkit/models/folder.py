"""Pictures that somebody already has: `evalkit import` stores them; this loader makes none.

For closed models, and for images of older studies. Card: `loader: folder`, `source:` where they come from, in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError
from evalkit.spec.catalog import ModelCard
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage


@dataclass(frozen=True)
class ImportedOnly:
    """Stands where a model would be; asked for a picture that was not imported, it says so."""

    card: ModelCard

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[DrawnImage]:
        """Always an error: whatever was imported is in the store, and never asked for again."""
        raise ModelError(
            f"{self.card.name} draws nothing: its pictures are imported",
            where=f"data/models/{self.card.name}.yaml",
            hint="evalkit import FOLDER --system NAME --study STUDY",
        )

    @property
    def made(self) -> dict[str, Any]:
        return {}


def load(card: ModelCard, folder: Path, *, dtype: Any, device: str) -> ImportedOnly:
    """There is nothing to load."""
    return ImportedOnly(card)
