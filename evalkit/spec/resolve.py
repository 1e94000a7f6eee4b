"""A study with all that it names found: cards, prompt set, questions, locked revisions, and the study's SHA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.spec import source
from evalkit.spec.catalog import UNPINNED, Catalog, ModelCard, PromptSet, Question
from evalkit.spec.fingerprint import file_sha256, folder_digest
from evalkit.spec.identity import digest
from evalkit.spec.source import Spec
from evalkit.spec.study import Study, load_study, study_path

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")
WITHOUT_FILES = ("folder", "procedural")


class Lock(Spec):
    """studies/NAME.lock.yaml: revisions that the hub gave when the study was fetched."""

    models: dict[str, str] = Field(default_factory=dict)
    prompts: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class ResolvedStudy:
    """A study and everything that it names."""

    study: Study
    cards: dict[str, ModelCard]
    """system name -> card, with the locked revision where the card has none"""
    prompt_set: PromptSet
    questions: tuple[Question, ...]
    sha: str
    root: Path
    path: Path

    @property
    def run_name(self) -> str:
        return f"{self.study.name}-{self.sha[:8]}"

    @property
    def miniature(self) -> bool:
        return any(card.miniature for card in self.cards.values())

    def unpinned(self) -> list[str]:
        """The models whose revision is neither in the card nor in the lock file."""
        return sorted({card.name for card in self.cards.values() if card.revision == UNPINNED})


def resolve(reference: str | Path, root: Path, *, prompts: str | None = None) -> ResolvedStudy:
    """Loads a study and all that it names; `prompts` replaces its prompt set (and so makes another study).

    Raises:
        SpecError: whatever is unknown or does not fit, with its file and line.
    """
    study = load_study(reference, root)
    path = study_path(reference, root)
    if prompts is not None and prompts != study.prompts.set:
        selection = study.prompts.model_copy(update={"set": prompts})
        study = study.model_copy(update={"prompts": selection})
    catalog, lock = Catalog(root), load_lock(lock_path(path))
    cards = {system.name: pinned(catalog.model(system.model), lock, root) for system in study.systems}
    for system in study.systems:
        check_size(system.name, cards[system.name], system.sampling.width, system.sampling.height, path)
    prompt_set = find_prompt_set(study.prompts.set, catalog, lock)
    asked = study.voting.questions if study.voting else ()
    questions = tuple(catalog.question(name).worded(study.voting.wording) for name in asked if study.voting)
    for metric in study.metrics:
        if metric.name not in (known := registry.names("metrics")):
            raise registry.unknown("metric", metric.name, known, where=str(path))
    for section in study.sections:
        if section not in (known := registry.names("sections")):
            raise registry.unknown("section", section, known, where=str(path))
    sha = study_sha(study, cards, prompt_set, questions)
    return ResolvedStudy(study, cards, prompt_set, questions, sha, root, path)


def study_sha(study: Study, cards: dict[str, ModelCard], prompt_set: PromptSet, questions: tuple[Question, ...]) -> str:
    """SHA-256 of all that can change a result: the study without its prose, and what it names.

    What says the same as leaving it out does not count, so that a study keeps its SHA when evalkit learns a new option.
    """
    prose = {"title", "summary", "notes", "url", "licence", "untested", "sections"}

    def told(record: Spec) -> dict[str, Any]:
        return record.model_dump(mode="json", exclude=prose, exclude_defaults=True)

    selection = study.prompts.model_copy(update={"set": prompt_set.name})
    if prompt_set.sha256:  # the file's content counts, not where it lies
        prompt_set = prompt_set.model_copy(update={"source": "file"})
    return digest(
        {
            "study": told(study.model_copy(update={"prompts": selection})),
            "cards": {name: told(card) for name, card in cards.items()},
            "prompts": told(prompt_set),
            "questions": [told(question) for question in questions],
        }
    )


def lock_path(study_file: Path) -> Path:
    """The lock file that belongs to a study file."""
    return study_file.with_name(f"{study_file.stem}.lock.yaml")


def load_lock(path: Path) -> Lock:
    """The lock file, or an empty lock where there is none."""
    return source.load(path, Lock) if path.is_file() else Lock()


def pinned(card: ModelCard, lock: Lock, root: Path) -> ModelCard:
    """The card with the lock's revision where its own is `unpinned`, and with the digest of a checkpoint on disk."""
    if card.revision == UNPINNED and card.name in lock.models:
        update = {"revision": lock.models[card.name], "revision_source": "lock file"}
        return ModelCard.model_validate(card.model_dump() | update)
    if card.loader in WITHOUT_FILES or card.revision is not None:
        return card
    return card.model_copy(update={"digest": folder_digest(root / card.source)})


def find_prompt_set(name: str, catalog: Catalog, lock: Lock) -> PromptSet:
    """A prompt set of the catalogue, or a table of prompts by path; its file's own digest is part of it."""
    path = Path(name)
    if path.suffix.lower() in TABLE_SUFFIXES:
        found = path if path.is_file() else catalog.root / path
        if not found.is_file():
            raise SpecError("no such prompt file", where=str(path), hint="give a CSV, TSV or JSONL file")
        slug = "".join(letter if letter.isalnum() else "-" for letter in path.stem.lower()).strip("-")[:60] or "prompts"
        return PromptSet(name=slug, title=path.name, source=str(found), sha256=file_sha256(found))
    prompt_set = catalog.prompt_set(name)
    if prompt_set.revision == UNPINNED and name in lock.prompts:
        update = {"revision": lock.prompts[name], "revision_source": "lock file"}
        prompt_set = prompt_set.model_copy(update=update)
    file = catalog.root / (prompt_set.table or prompt_set.source)
    if prompt_set.sha256 is None and file.is_file():
        return prompt_set.model_copy(update={"sha256": file_sha256(file)})
    return prompt_set


def check_size(system: str, card: ModelCard, width: int | None, height: int | None, path: Path) -> None:
    """Refuses sides that the model cannot draw."""
    for side in (width or card.size, height or card.size):
        if side % card.size_multiple:
            raise SpecError(
                f"system {system!r}: {side} px is not a multiple of {card.size_multiple}, as {card.name} needs",
                where=str(path),
                hint=f"take {round(side / card.size_multiple) * card.size_multiple or card.size_multiple} px",
            )
