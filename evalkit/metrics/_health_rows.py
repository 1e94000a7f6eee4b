"""What a panel of the health card is given, and the rows that it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalkit.metrics._metric import FeatureSet, Workplace
from evalkit.metrics._sheet import Scope
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Rows
from evalkit.stats.frechet_interval import FrechetEstimate, frechet_jackknife, project_to_reference_axes, prompt_groups

if TYPE_CHECKING:
    import pandas as pd

AXES = (64, 32, 16)
"""A distance on this many leading axes of the reference needs twice as many images."""
GROUPS = 20
STATISTICS = "is known by its mean and covariance only, and this needs the features of its images"
"""Said of a reference or training set whose file holds no feature rows."""


@dataclass(frozen=True)
class Subject:
    """One system's images and features, and the sets that they are held against."""

    system: str
    images: pd.DataFrame
    features: FeatureSet
    reference: FeatureSet
    training: FeatureSet | None
    identity: str
    load: Callable[[], Any]
    side: int
    scope: Scope
    workplace: Workplace

    @property
    def seed(self) -> int:
        return self.scope.inference.seed

    @property
    def axes(self) -> int | None:
        """As many axes as there are images for; None where there are too few for any."""
        fewest = min(len(self.features.rows), len(self.reference.rows))
        return next((axes for axes in AXES if fewest >= 2 * axes), None)

    @property
    def counts(self) -> str:
        """How many images there are on both sides."""
        return f"{len(self.features.rows)} images against {len(self.reference.rows)} of the reference set"

    def projected(self, rows: npt.ArrayLike, axes: int) -> tuple[Rows, Rows]:
        """Feature rows, and the reference, on the reference's leading axes; as they are where all are asked for."""
        if axes >= self.reference.rows.shape[1]:
            return np.asanyarray(rows), self.reference.rows
        return project_to_reference_axes(rows, self.reference.rows, axes)


def row(panel: str, system: str, measure: str, setting: str, found: Estimate, image: str = "", other: str = "") -> Any:
    """A row of health.parquet; `image` and `other` are what is seen beside the number (keys of thumbnails)."""
    numbers = {name: getattr(found, name) for name in ("value", "low", "high", "n", "method")}
    named = {"panel": panel, "system": system, "measure": measure, "setting": setting}
    return named | numbers | {"note": found.note or "", "image": image, "other": other}


def nothing(panel: str, system: str, measure: str, setting: str, note: str) -> Any:
    """A row without a number, and why there is none."""
    return row(panel, system, measure, setting, Estimate(None, None, None, 0, "", note=note))


def jackknifed(subject: Subject, rows: Rows, base: Rows) -> FrechetEstimate:
    """Frechet distance with its interval by groups of prompts."""
    prompts, confidence = subject.features.prompts, subject.scope.inference.confidence
    count = min(GROUPS, np.unique(prompts).size)
    groups = prompt_groups(prompts, count, np.random.default_rng(subject.seed))
    others = prompt_groups(subject.reference.prompts, count, np.random.default_rng([subject.seed, 1]))
    return frechet_jackknife(rows, base, groups, others, confidence=confidence)
