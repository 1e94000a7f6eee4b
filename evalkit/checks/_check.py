"""What checks share: what they are given, what they give back, what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalkit.outcome import Progress, silent
from evalkit.settings import Settings
from evalkit.spec.audit import Audit
from evalkit.spec.catalog import Prompt
from evalkit.spec.language import is_variant
from evalkit.spec.study import Study
from evalkit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CheckInfo:
    """`asks`: the question; `limits`: what the instrument cannot see, in words for the report."""

    asks: str
    limits: tuple[str, ...]
    citation: str = ""
    version: int = 1


@dataclass(frozen=True)
class Scored:
    """An image-level metric of the study, by image key: against the text in the base language, or in its own.

    `chance`: the images of the base language against the next prompt's text: what an unrelated picture scores.
    """

    metric: str
    unit: str
    signature: str
    values: Mapping[str, float]
    chance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What the audit stage lays before each check.

    `images`: one row per planned image: key, system, prompt_key, lang, prompt, category, challenge, image_index, file,
    sha256, flagged, blank, problem ("" where it is there as it was made). `tokenizers`: system -> the folder of its
    text encoder's tokenizer. `tables`: what other stages left in the run (votes, reports of images, unsafe).
    `revisions`: card -> revision of the study's lock file.
    """

    study: Study
    audit: Audit
    prompts: Sequence[Prompt]
    images: pd.DataFrame
    scores: Sequence[Scored]
    settings: Settings
    features: Path
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = silent

    @property
    def systems(self) -> list[str]:
        return [system.name for system in self.study.systems]

    @property
    def languages(self) -> list[str]:
        """Every other language than the base, in the order of the prompt file; its variants (controls) left out."""
        return [lang for lang in self._others if not is_variant(lang, self.audit.base)]

    @property
    def controls(self) -> list[str]:
        """The base language in other words, as "en-x-reworded": what should have no gap."""
        return [lang for lang in self._others if is_variant(lang, self.audit.base)]

    @property
    def confidence(self) -> float:
        return self.study.analysis.confidence

    def random(self) -> np.random.Generator:
        return np.random.default_rng(self.study.seed)

    def text(self, prompt_key: str) -> str | None:
        """The prompt in the base language; None where it has none."""
        return self._originals.get(prompt_key)

    @property
    def _originals(self) -> dict[str, str]:
        return {prompt.key: prompt.text for prompt in self.prompts if prompt.lang == self.audit.base}

    @property
    def _others(self) -> list[str]:
        return [lang for lang in dict.fromkeys(prompt.lang for prompt in self.prompts) if lang != self.audit.base]


@dataclass(frozen=True)
class Finding:
    """One number of the audit: a row of audit.parquet. `group` is a class, a category or a metric; "" for all."""

    check: str
    measure: str
    estimate: Estimate
    system: str = ""
    lang: str = ""
    group: str = ""
    p: float | None = None
    p_holm: float | None = None
    signature: str = ""

    def as_row(self) -> dict[str, Any]:
        found = self.estimate
        return {
            **{name: getattr(self, name) for name in ("check", "system", "lang", "group", "measure")},
            **{name: getattr(found, name) for name in ("value", "low", "high", "n", "method")},
            "prompts": found.prompts or 0,
            "p": self.p,
            "p_holm": self.p_holm,
            "note": found.note or "",
            "signature": self.signature,
        }


class Check(Protocol):
    """A file of evalkit/checks/ as the stage sees it."""

    info: CheckInfo
    __doc__: str | None
    instruments: Any
    """optional, (material) -> names of what it looks with: another one, or one that came later, is another answer"""

    def check(self, material: Material) -> list[Finding]: ...
