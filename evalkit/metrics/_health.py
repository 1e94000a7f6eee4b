"""The health card of a Frechet distance: rows of run/health.parquet, one a number, of all panels but people's votes.

fragile: the distance after other resizing and JPEG, of prompts that the seed draws. biased: FD(N), its end, and the
corrected value. memorisation: nearest images of the training (or else the reference) set, AuthPct, MiFID, and
near-duplicates across seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit import __version__, registry
from evalkit.extractors._cache import cached_features
from evalkit.metrics._health_bias import bias_rows
from evalkit.metrics._health_fragile import fragile_rows
from evalkit.metrics._health_memory import memory_rows
from evalkit.metrics._health_rows import Subject
from evalkit.metrics._metric import FeatureSet, Workplace
from evalkit.metrics._reference import Reference, pictures_of, read_reference
from evalkit.metrics._sheet import Scope
from evalkit.spec.fingerprint import file_sha256

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2


@dataclass(frozen=True)
class Sets:
    """What a system is held against; `training` is None where the study names no training set."""

    reference: Reference
    training: Reference | None
    extractor: str
    identity: str

    @property
    def signed(self) -> str:
        """How the card's numbers were made."""
        known = f"training={self.training.label}" if self.training else "training=unknown"
        return f"health/{VERSION}|{self.identity}|ref={self.reference.label}|{known}|evalkit-{__version__}"


def health_table(images: pd.DataFrame, sets: Sets, scope: Scope, workplace: Workplace) -> pd.DataFrame:
    """All rows of all systems."""
    import pandas as pd

    rows = [row for subject in _subjects(images, sets, scope, workplace) for row in _rows(subject)]
    return pd.DataFrame(rows).assign(signature=sets.signed)


def reference_pictures(table: pd.DataFrame, sets: Sets, workplace: Workplace) -> dict[str, Path]:
    """Thumbnail name -> file, of the reference images that the card shows; none where features only were stored."""
    wanted = set(table.loc[table["measure"] == "nearest image", "other"])
    files = pictures_of((sets.training or sets.reference).path, workplace)
    found = {file_sha256(path): path for path in files}
    return {f"reference-{sha}": path for sha, path in found.items() if sha in wanted}


def _rows(subject: Subject) -> list[dict[str, Any]]:
    return [*fragile_rows(subject), *bias_rows(subject), *memory_rows(subject)]


def _subjects(images: pd.DataFrame, sets: Sets, scope: Scope, workplace: Workplace) -> Iterator[Subject]:
    reference = read_reference(sets.reference, sets.extractor, workplace)
    training = read_reference(sets.training, sets.extractor, workplace) if sets.training else None
    for system in scope.systems:
        counted = (images["system"] == system) & (images["image_index"] < scope.images_per_prompt)
        there = images[counted & (images["problem"] == "")].reset_index(drop=True)
        paths = dict(zip(there["sha256"], there["file"], strict=True))
        module = registry.get("extractors", sets.extractor)

        def load(module: Any = module) -> Any:
            return module.load(workplace.settings, workplace.model)

        found = cached_features(paths, sets.identity, load, *workplace.cache)
        rows = found.of(there["sha256"].tolist())
        features = FeatureSet(rows, there["prompt_key"].to_numpy().astype(np.str_))
        side = int(getattr(module, "SIDE", 224))
        yield Subject(system, there, features, reference, training, sets.identity, load, side, scope, workplace)
