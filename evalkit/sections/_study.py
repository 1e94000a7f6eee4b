"""What the run folder tells of its study: systems with their names and colours, questions, the published table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from pydantic import ValidationError

from evalkit.errors import RunError
from evalkit.spec.catalog import ModelCard, PromptSet, Question
from evalkit.spec.design import Design
from evalkit.spec.study import NEITHER, TIE, Study
from evalkit.store.run import Run

ON_PAR = "On par"
NEITHER_LABEL = "Neither"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
TIE_GREY, NEITHER_GREY = "#949494", "#6b6b6b"


@dataclass(frozen=True)
class Facts:
    """The study as it was resolved when the run began."""

    study: Study
    cards: dict[str, ModelCard]
    prompt_set: PromptSet
    questions: dict[str, Question]
    sha: str

    @property
    def systems(self) -> list[str]:
        return [system.name for system in self.study.systems]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(combinations(self.systems, 2))

    @property
    def asked(self) -> list[str]:
        """The questions, the primary one first."""
        names = list(self.study.voting.questions) if self.study.voting else []
        return sorted(names, key=lambda name: name != self.study.analysis.primary_question)

    def label(self, answer: str) -> str:
        """How a system, `tie` or `neither` is written."""
        words = {TIE: ON_PAR, NEITHER: NEITHER_LABEL}
        return words[answer] if answer in words else self.study.system(answer).label

    def colour(self, answer: str) -> str:
        """The one colour of a system in the whole report; greys for "on par" and "neither"."""
        if answer in (TIE, NEITHER):
            return TIE_GREY if answer == TIE else NEITHER_GREY
        return OKABE_ITO[self.systems.index(answer) % len(OKABE_ITO)]

    def question(self, name: str) -> str:
        return self.questions[name].title if name in self.questions else name.replace("_", " ").capitalize()

    @property
    def confidence(self) -> str:
        """ "95 %"."""
        return f"{self.study.analysis.confidence * 100:g} %"

    def random(self) -> np.random.Generator:
        """The generator of resampled intervals: seeded by the study's digest, so that a report can be repeated."""
        return np.random.default_rng(int(self.sha[:16], 16))


def read_facts(run: Run) -> Facts:
    """Reads resolved.json; the plan of the analysis as it was amended, if it was, from voting.json.

    Raises:
        RunError: not there, or not of this version's form.
    """
    record = run.read_json("resolved.json")
    voting = read_voting(run)
    try:
        planned = record["study"] | ({"analysis": voting["analysis"]} if voting.get("analysis") else {})
        return Facts(
            study=Study.model_validate(planned | {"voting": _said(planned.get("voting"))}),
            cards={name: ModelCard.model_validate(card) for name, card in record["cards"].items()},
            prompt_set=PromptSet.model_validate(record["prompt_set"]),
            questions={item["name"]: Question.model_validate(item) for item in record["questions"]},
            sha=record["sha"],
        )
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"resolved.json is not what this version of evalkit writes: {type(error).__name__}",
            where=str(run.path("resolved.json")),
            hint="make the report with the version that manifest.json names",
        ) from error


def _said(design: dict[str, Any] | None) -> dict[str, Any] | None:
    """The design without the number of raters where that followed from the votes per comparison: nobody said it."""
    if design is None or design.get("votes_per_comparison") is None:
        return design
    return {name: value for name, value in design.items() if name != "raters"}


def read_voting(run: Run) -> dict[str, Any]:
    """voting.json: how the votes were collected; empty where the vote was never opened."""
    found: dict[str, Any] = run.read_json("voting.json") if run.has("voting.json") else {}
    return found


def planned_sheets(run: Run, design: Design) -> int | None:
    """How many sheets were planned for raters, of all languages: from voting.json, else what the study file says.

    None where the file does not say: votes per comparison, or sheets per language, before the vote is open.
    """
    told = read_voting(run).get("design") or {}
    if "places" in told:
        return int(told["places"])
    if design.languages == "one":
        return None
    return told.get("sheets") or (design.raters if design.votes_per_comparison is None else None)
