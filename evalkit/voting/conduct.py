"""How raters did: golds, repeats, speed, and whom the frozen rules exclude. Blind: it says nothing of arms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.spec.design import Exclusions
from evalkit.store.tables import AssignmentRow, ComparisonRow, SheetRow, StudyRow, VoteRow


@dataclass(frozen=True)
class Conduct:
    """One rater's answers, counted by answer (a comparison has one to each question).

    `same_answer`: the share of the commonest of left, tie, right, neither among those that count as votes.
    """

    votes: int = 0
    golds_right: int = 0
    golds_answered: int = 0
    repeats_alike: int = 0
    repeats_answered: int = 0
    median_seconds: float | None = None
    same_answer: float | None = None

    @property
    def gold_accuracy(self) -> float | None:
        """None where no gold was answered."""
        return self.golds_right / self.golds_answered if self.golds_answered else None

    @property
    def consistency(self) -> float | None:
        """Share of repeats to which the answer was the same image, tie or neither; None where there were none."""
        return self.repeats_alike / self.repeats_answered if self.repeats_answered else None


@dataclass(frozen=True)
class Answer:
    """A vote as far as it tells of its rater: `told` is a, b, tie or neither, the sides undone."""

    rater_id: int
    comparison_id: int
    question: str
    kind: str
    occasion: int
    choice: str
    told: str
    gold: str | None
    gold_kind: str | None
    response_ms: int


def conduct(session: Session, study_id: int) -> dict[int, Conduct]:
    """Row number of a rater -> how they did; raters without an answer are left out."""
    study = session.get(StudyRow, study_id)
    questions = study.spec["questions"] if study else []
    needing = {question["name"] for question in questions if question.get("needs_prompt", True)}
    by_rater: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers(session, study_id):
        by_rater[answer.rater_id].append(answer)
    return {rater: summarise(given, needing) for rater, given in by_rater.items()}


def answers(session: Session, study_id: int) -> Iterator[Answer]:
    """All answers of a study, in the order in which they were given."""
    query = (
        select(SheetRow.rater_id, ComparisonRow.id, VoteRow.question, ComparisonRow.kind, AssignmentRow.occasion)
        .add_columns(VoteRow.choice, AssignmentRow.a_is_left, ComparisonRow.gold, ComparisonRow.gold_kind)
        .add_columns(VoteRow.response_ms)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .where(SheetRow.study_id == study_id, SheetRow.rater_id.is_not(None))
        .order_by(VoteRow.id)
    )
    for rater, pair, question, kind, occasion, choice, a_is_left, gold, gold_kind, taken in session.execute(query):
        side = {"left": "a" if a_is_left else "b", "right": "b" if a_is_left else "a"}
        told = side.get(choice, choice)
        yield Answer(rater or 0, pair, question, kind, occasion, choice, told, gold, gold_kind, taken)


def summarise(given: Sequence[Answer], needing: set[str]) -> Conduct:
    """One rater's answers in numbers. `needing`: the questions that need the prompt; only they can be answered wrongly
    where a gold's wrong image is another prompt's."""
    votes = [answer for answer in given if answer.kind == "vote" and answer.occasion == 1]
    golds = [one for one in given if one.kind == "gold" and (one.gold_kind == "noise" or one.question in needing)]
    before = {(answer.comparison_id, answer.question): answer.told for answer in votes}
    again = [one for one in given if one.occasion > 1 and (one.comparison_id, one.question) in before]
    common = Counter(answer.choice for answer in votes).most_common(1)
    return Conduct(
        votes=len(votes),
        golds_right=sum(answer.told == answer.gold for answer in golds),
        golds_answered=len(golds),
        repeats_alike=sum(one.told == before[one.comparison_id, one.question] for one in again),
        repeats_answered=len(again),
        median_seconds=median(answer.response_ms for answer in votes) / 1000 if votes else None,
        same_answer=common[0][1] / len(votes) if common else None,
    )


def excluded_because(found: Conduct, rules: Exclusions) -> str:
    """The rules that exclude a rater, in words; empty if none does. What was not measured breaks no rule."""

    def under(value: float | None, bound: float | None) -> bool:
        return value is not None and bound is not None and value < bound

    broken = {
        "gold accuracy": under(found.gold_accuracy, rules.gold_accuracy_below),
        "consistency": under(found.consistency, rules.consistency_below),
        "median time": under(found.median_seconds, rules.median_seconds_below),
        "same answer": rules.same_answer_above is not None and (found.same_answer or 0) > rules.same_answer_above,
        "votes": under(found.votes, rules.votes_below),
    }
    said = in_words(rules)
    return "; ".join(said[rule] for rule, holds in broken.items() if holds)


def in_words(rules: Exclusions) -> dict[str, str]:
    """Each rule of a study as it is printed: the same words beside a rater whom it excludes."""
    bounds: Mapping[str, tuple[Any, str]] = {
        "gold accuracy": (rules.gold_accuracy_below, "under {:.0%} of the golds right"),
        "consistency": (rules.consistency_below, "under {:.0%} of the repeats alike"),
        "median time": (rules.median_seconds_below, "median time under {:g} s"),
        "same answer": (rules.same_answer_above, "over {:.0%} of one answer"),
        "votes": (rules.votes_below, "fewer than {} votes"),
    }
    return {rule: text.format(bound) for rule, (bound, text) in bounds.items() if bound is not None}
