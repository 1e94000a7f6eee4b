"""The catalogues: model cards, prompt sets and questions, each a YAML file in data/{models,prompts,questions}/.

data/networks/ holds the cards of the weights that metrics lean on.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from evalkit import registry
from evalkit.spec import source
from evalkit.spec.language import require_language
from evalkit.spec.source import Spec

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Lang = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"),
    AfterValidator(require_language),
]
UNPINNED = "unpinned"


class ModelCard(Spec):
    """One checkpoint and how it is loaded.

    `revision` is a 40-digit commit hash with the place it was read from (`revision_source`), or `unpinned`:
    then `evalkit fetch` resolves it once into the study's lock file. A folder on disk needs none.
    """

    name: Slug
    title: str
    loader: str = Field(default="diffusers", description="a file of evalkit/models/")
    source: str = Field(description="a hub id (owner/name), or a folder relative to the checkout")
    revision: str | None = None
    revision_source: str | None = None
    digest: str | None = Field(default=None, description="of a checkpoint on disk; found by evalkit, never written")
    variant: str | None = Field(default=None, description='file suffix, as "fp16", if the repository has one')
    dtype: Literal["float32", "float16", "bfloat16"] = Field(default="float16", description="on a GPU; CPU: float32")
    files: tuple[str, ...] = Field(default=(), description="patterns of the files to download; all if empty")
    size: int = Field(default=512, ge=8, le=4096, description="side of the square image, pixels")
    size_multiple: int = Field(default=8, ge=1, description="sides must be multiples of this, pixels")
    safety_checker: bool = Field(default=False, description="the checkpoint brings a safety checker")
    licence: str = ""
    url: str = ""
    parameters: int | None = Field(default=None, ge=1, description="of the denoising network")
    miniature: bool = Field(default=False, description="an embedded teaching model: says nothing about full-size ones")
    untested: bool = Field(default=False, description="never run by evalkit's authors")
    notes: str = ""

    @model_validator(mode="after")
    def _pin_has_a_source(self) -> ModelCard:
        _require_source_of_pin(self.revision, self.revision_source)
        return self

    @property
    def is_hub(self) -> bool:
        """Whether the checkpoint comes from a model hub (by the form of its source and its having a revision)."""
        return self.loader not in ("folder", "procedural") and self.revision is not None


class NetworkCard(Spec):
    """Published weights that a metric leans on: a whole checkpoint, or a file of tensors that completes its `base`.

    `revision` follows the rule of model cards. A folder data/weights/NAME, where there is one, goes before the hub.
    """

    name: Slug
    title: str
    source: str = Field(description="a hub id (owner/name)")
    revision: str
    revision_source: str | None = None
    files: tuple[str, ...] = Field(min_length=1, description="patterns of the files to download")
    base: str | None = Field(default=None, description="another card in data/networks/, for what this one lacks")
    licence: str = ""
    url: str = ""
    untested: bool = Field(default=False, description="never run by evalkit's authors on its own weights")
    notes: str = ""

    @model_validator(mode="after")
    def _pin_has_a_source(self) -> NetworkCard:
        _require_source_of_pin(self.revision, self.revision_source)
        return self


def _require_source_of_pin(revision: str | None, source: str | None) -> None:
    if not revision or revision == UNPINNED:
        return
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("revision must be 40 hexadecimal digits, or `unpinned`")
    if not source:
        raise ValueError("a pinned revision needs revision_source: where was it read?")


class Prompt(Spec):
    """One prompt. Parallel prompts (the same scene in several languages) share the key.

    A translation says where it comes from: its source, who or what translated it (a person, a data set, a model with
    its revision), whether a person has read it, and how near its back-translation comes to the original.
    """

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    text: str = Field(min_length=1, max_length=20_000)
    lang: Lang = "en"
    category: str = ""
    challenge: str = ""
    source: Literal["", "original", "human", "parallel", "machine"] = ""
    translator: str = ""
    revision: str = ""
    status: Literal["", "machine", "checked", "human", "doubtful"] = ""
    similarity: float | None = Field(default=None, ge=-1, le=1, description="of the back-translation, cosine")
    gendered: Literal["", "yes", "no", "unknown"] = Field(
        default="", description="says its reader: does it name a gender that the original leaves open?"
    )


class PromptSet(Spec):
    """Where a set of prompts comes from."""

    name: Slug
    title: str
    loader: str = Field(default="tables", description="a file of evalkit/prompts/")
    source: str = Field(description="a file relative to the checkout, or a hub data set id")
    base: str | None = Field(default=None, description="the prompt set that this one translates")
    table: str | None = Field(default=None, description="where `fetch` unpacks captions and pictures of a hub data set")
    revision: str | None = None
    revision_source: str | None = None
    languages: tuple[str, ...] = ("en",)
    count: int | None = Field(default=None, ge=1, description="rows that the source must have")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="of the source file")
    licence: str = ""
    url: str = ""
    notes: str = ""


Answers = dict[str, tuple[str, str, str, str]]


class Wording(Spec):
    """Other words for a question's answers, and for the question itself where `text` is given."""

    text: dict[str, str] = Field(default_factory=dict)
    answers: Answers
    source: str = ""


class Question(Spec):
    """What a rater is asked of two images; `answers` are the four buttons, in order."""

    name: Slug
    title: str
    needs_prompt: bool = Field(default=True, description="it cannot be answered without the prompt")
    text: dict[str, str] = Field(description="the question by language (BCP-47); `en` is required")
    answers: Answers = Field(description="left, on par, right, neither; by language")
    wording_source: str = ""
    wordings: dict[str, Wording] = Field(default_factory=dict, description="other wordings, by name")

    @model_validator(mode="after")
    def _english_is_there(self) -> Question:
        if "en" not in self.text or "en" not in self.answers:
            raise ValueError("text and answers need at least `en`")
        if any("en" not in other.answers for other in self.wordings.values()):
            raise ValueError("the answers of every wording need at least `en`")
        return self

    def worded(self, wording: str) -> Question:
        """The question in one of its wordings (`default`: as it stands), and in that alone."""
        if wording == "default":
            return self.model_copy(update={"wordings": {}})
        if wording not in self.wordings:
            raise registry.unknown("wording", wording, ["default", *self.wordings], where=f"question {self.name}")
        other = self.wordings[wording]
        update = {"text": self.text | other.text, "answers": other.answers, "wording_source": other.source}
        return self.model_copy(update={**update, "wordings": {}})


class Catalog:
    """The three catalogues of a checkout, read on demand."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def model(self, name: str) -> ModelCard:
        return self._read("models", "model", name, ModelCard)

    def prompt_set(self, name: str) -> PromptSet:
        return self._read("prompts", "prompt set", name, PromptSet)

    def question(self, name: str) -> Question:
        return self._read("questions", "question", name, Question)

    def network(self, name: str) -> NetworkCard:
        return self._read("networks", "network", name, NetworkCard)

    def names(self, kind: Literal["models", "networks", "prompts", "questions"]) -> list[str]:
        return self._names[kind]

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        kinds = ("models", "networks", "prompts", "questions")
        return {kind: sorted(path.stem for path in (self.root / "data" / kind).glob("*.yaml")) for kind in kinds}

    def _read(self, folder: str, kind: str, name: str, record: type[source.Record]) -> source.Record:
        if name not in self._names[folder]:
            raise registry.unknown(kind, name, self._names[folder], where=f"data/{folder}/")
        return source.load(self.root / "data" / folder / f"{name}.yaml", record, name=name)
