"""What metrics share: their facts, what they are given, what they give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from evalkit import registry
from evalkit.engines import Engine
from evalkit.engines.local import HERE
from evalkit.outcome import Progress, silent
from evalkit.settings import Settings
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments

PROMPT_CUT, NOTHING_ASKED = "prompt cut", "the prompt asks for no text"
"""Reasons of single images that are counted beside a metric's numbers."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MetricInfo:
    """What a reader needs to know about a metric; `version` goes up when the same images would get other numbers.

    `extractor` names its feature network; a metric without one has a function `identity(workplace)` of its own.
    `network` names the card in data/networks/ whose weights it takes where the study names none.
    """

    level: Literal["image", "set"]
    extractor: str
    direction: Literal["higher", "lower"]
    unit: str
    range: tuple[float | None, float | None]
    citation: str
    version: int
    reads: str
    """one sentence: how to read it"""
    network: str | None = None
    reference: bool = True
    """whether a metric of level "set" measures against a reference set"""
    statistics: bool = False
    """whether mean and covariance of the reference set are enough"""
    multilingual: bool = False
    """whether its network reads prompts in many languages"""


@dataclass(frozen=True)
class Picture:
    """One image to be scored, with the prompt that it was drawn for."""

    path: Path
    sha256: str
    prompt: str
    lang: str = ""


@dataclass(frozen=True)
class Workplace:
    """Where a metric works: the folder of cached features, and which checkpoint it was asked to take.

    `revisions`: card -> revision of the study's lock file. `engine`: what runs its networks.
    """

    settings: Settings
    features: Path
    model: str | None = None
    progress: Progress = silent
    revisions: Mapping[str, str] = field(default_factory=dict)
    engine: Engine = HERE

    @property
    def cache(self) -> tuple[Path, Progress, Engine]:
        """What `cached_features` needs to know."""
        return self.features, self.progress, self.engine

    def __reduce__(self) -> tuple[Any, ...]:
        """As a worker of a cluster gets it: it shows no progress, and starts no workers."""
        return Workplace, (self.settings, self.features, self.model, silent, dict(self.revisions))


@dataclass(frozen=True)
class ImageScores:
    """One value per picture (NaN where it has none), and what must be known about it ("" where there is nothing).

    `variant` is what the signature says beyond the network, where the value hangs on more than one picture.
    """

    values: Floats
    reasons: Sequence[str]
    variant: str = ""


@dataclass(frozen=True)
class FeatureSet:
    """Feature rows (n, dimensions) of any float type, and the prompt of each; a reference image without one is its own.

    `moments`: of a reference that is known by its mean and covariance only, and has no rows. `shas`: SHA-256 of the
    picture of each row, where it is known.
    """

    rows: npt.NDArray[np.floating]
    prompts: npt.NDArray[np.str_]
    moments: Moments | None = None
    shas: npt.NDArray[np.str_] | None = None


@dataclass(frozen=True)
class Inference:
    """How intervals are made: their confidence, and the seed of what is drawn (groups of prompts)."""

    seed: int = 0
    confidence: float = 0.95


DEFAULTS = Inference()


@dataclass(frozen=True)
class SetValue:
    """A number about a set; `variant` is what its signature says about how it was computed."""

    estimate: Estimate
    variant: str


@dataclass(frozen=True)
class Difference:
    """One system's number minus another's; p of the two-sided test that it is zero."""

    estimate: Estimate
    p: float | None


class Metric(Protocol):
    """A file of evalkit/metrics/ as the stage sees it."""

    info: MetricInfo
    __doc__: str | None
    identity: Any
    score: Any
    estimate: Any
    difference: Any


def title(metric: Metric) -> str:
    """The first line of the file's docstring."""
    return (metric.__doc__ or "").strip().splitlines()[0]


def identity_of(metric: Metric, workplace: Workplace) -> str:
    """Network, weights and preprocessing of a metric, as signatures carry them; found without loading the network."""
    if hasattr(metric, "identity"):
        return str(metric.identity(workplace))
    extractor = registry.get("extractors", metric.info.extractor)
    return str(extractor.identity(workplace.settings, workplace.model))
