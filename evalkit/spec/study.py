"""A study is a file: systems, prompts, metrics and the voting design, written in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from evalkit.errors import SpecError
from evalkit.registry import unknown
from evalkit.spec import source
from evalkit.spec.audit import Audit
from evalkit.spec.catalog import Lang, Slug
from evalkit.spec.design import Analysis, Design
from evalkit.spec.source import Spec

__all__ = ["Analysis", "Design", "Study", "System", "load_study"]

DEFAULT_STUDY = "decidiffusion-vs-sd15"
TIE, NEITHER = "tie", "neither"


class Sampling(Spec):
    """How images are drawn from a model. All of it enters the key of an image."""

    steps: int = Field(ge=1, le=1000, description="denoising steps")
    guidance: float = Field(default=7.5, ge=0, le=100, description="classifier-free guidance scale")
    guidance_rescale: float = Field(
        default=0.0, ge=0, le=1, description="Lin et al. 2023, arXiv 2305.08891, section 3.4"
    )
    negative_prompt: str = Field(default="", max_length=20_000)
    width: int | None = Field(default=None, ge=8, le=4096, description="pixels; default: the card's size")
    height: int | None = Field(default=None, ge=8, le=4096, description="pixels; default: the card's size")
    safety_checker: bool = Field(default=True, description="use the checkpoint's own safety checker, if it has one")


class System(Spec):
    """A model with its sampling: what is compared."""

    name: Slug
    model: str = Field(description="a card in data/models/")
    title: str | None = None
    sampling: Sampling

    @field_validator("name")
    @classmethod
    def _not_an_answer(cls, name: str) -> str:
        if name in (TIE, NEITHER, "a", "b", "left", "right"):
            raise ValueError(f"a system cannot be named {name!r}: it is the name of an answer")
        return name

    @property
    def label(self) -> str:
        return self.title or self.name


class PromptSelection(Spec):
    """Which prompts of a set a study uses."""

    set: str = Field(description="a prompt set in data/prompts/, or the path of a CSV, TSV or JSONL file")
    sample: int | None = Field(default=None, ge=1, description="this many, drawn by sorting sha256(seed|key)")
    seed: int = 0
    categories: tuple[str, ...] = ()
    challenges: tuple[str, ...] = ()
    languages: tuple[Lang, ...] = ()


class MetricChoice(Spec):
    """A metric of evalkit/metrics/, and for those that lean on a network of choice, which one."""

    name: str
    model: str | None = Field(default=None, description='as "emoji-clip"; default: the metric\'s own')


class Published(Spec):
    """A published table to stand beside the study's own, in percent, as printed; never renormalised."""

    source: str
    note: str = ""
    tables: dict[str, dict[str, float]] = Field(description="question -> system, `tie` or `neither` -> percent")


class FewerSteps(Spec):
    """A claim fixed before the images: `system` is as good as `as_good_as`, by `metric`, within `margin`."""

    system: str
    as_good_as: str
    metric: str = Field(description="one of the study's metrics")
    margin: float = Field(gt=0, description="in the metric's own unit")


class PublishedSeconds(Spec):
    """One cell of a published latency table."""

    system: str
    runtime: str
    steps: int = Field(ge=1)
    seconds: float = Field(gt=0, description="per image, as printed")


class PublishedLatency(Spec):
    """A published latency table, to stand beside what `evalkit bench` measures."""

    source: str
    hardware: str
    note: str = ""
    rows: tuple[PublishedSeconds, ...] = Field(min_length=1)


class Study(Spec):
    """One study."""

    name: Slug
    title: str
    summary: str = ""
    systems: tuple[System, ...] = Field(min_length=1)
    prompts: PromptSelection
    images: int = Field(default=1, ge=1, le=10_000, description="images per prompt and system, for the metrics")
    seed: int = Field(default=0, description="with the prompt's key it makes the seed of each image")
    metrics: tuple[MetricChoice, ...] = ()
    reference: str | None = Field(default=None, description="reference features (.npz) or folder, for set metrics")
    training_set: str | None = Field(
        default=None,
        description="what the models were trained on (.npz or folder); without it no word on memorisation",
    )
    voting: Design | None = None
    analysis: Analysis = Analysis()
    audit: Audit | None = None
    published: Published | None = None
    fewer_steps: tuple[FewerSteps, ...] = Field(default=(), description="claims that fewer steps are as good as more")
    sections: tuple[str, ...] = Field(default=(), description="of the report, in this order; default: all of them")
    published_latency: PublishedLatency | None = None

    @field_validator("prompts", mode="before")
    @classmethod
    def _a_name_is_enough(cls, value: Any) -> Any:
        return {"set": value} if isinstance(value, str) else value

    @field_validator("metrics", mode="before")
    @classmethod
    def _a_metric_by_name(cls, value: Any) -> Any:
        return (
            [{"name": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        names = [system.name for system in self.systems]
        if len(set(names)) != len(names):
            raise ValueError("two systems have the same name")
        if self.voting and len(self.systems) < 2:
            raise ValueError("voting needs at least two systems")
        if self.voting and self.analysis.primary_question not in self.voting.questions:
            raise ValueError(f"primary_question {self.analysis.primary_question!r} is not among voting.questions")
        for rows in self.published.tables.values() if self.published else ():
            strangers = set(rows) - {*names, TIE, NEITHER}
            if strangers:
                raise ValueError(f"published.tables has rows that are no system: {', '.join(sorted(strangers))}")
        for claim in self.fewer_steps:
            if strangers := {claim.system, claim.as_good_as} - set(names):
                raise ValueError(f"fewer_steps names no system: {', '.join(sorted(strangers))}")
            if claim.metric not in (metric.name for metric in self.metrics):
                raise ValueError(f"fewer_steps.metric {claim.metric!r} is not among the study's metrics")
        for row in self.published_latency.rows if self.published_latency else ():
            if row.system not in names:
                raise ValueError(f"published_latency names a system that is none: {row.system}")
        return self

    def system(self, name: str) -> System:
        for system in self.systems:
            if system.name == name:
                return system
        raise unknown("system", name, [system.name for system in self.systems], where=f"study {self.name}")


def load_study(reference: str | Path, root: Path) -> Study:
    """Reads a study by name (`demo`: ROOT/studies/demo.yaml) or by path (`my/study.yaml`)."""
    path = study_path(reference, root)
    return source.load(path, Study, name=path.stem)


def study_path(reference: str | Path, root: Path) -> Path:
    """Where the study file lies."""
    path = Path(reference)
    if path.suffix in (".yaml", ".yml"):
        found = path if path.is_file() or not (root / path).is_file() else root / path
        if not found.is_file():
            raise SpecError("no such study file", where=str(path), hint="`evalkit ls studies` names those there are")
        return found
    known = study_names(root)
    if str(reference) not in known:
        raise unknown("study", str(reference), known, where="studies/")
    return root / "studies" / f"{reference}.yaml"


def study_names(root: Path) -> list[str]:
    """The studies of a checkout (lock files are none)."""
    return sorted(path.stem for path in (root / "studies").glob("*.yaml") if not path.name.endswith(".lock.yaml"))
