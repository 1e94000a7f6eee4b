"""Enough, or not yet: the precision rule, at the looks that were frozen, on complete sheets, on blinded arms.

A rule on the width of the interval alone: it looks at no sign, so that neither the rule nor who reads it learns who
leads, and the false alarms of stopping early for an effect do not arise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from evalkit.errors import VotingError
from evalkit.spec.design import Analysis, Exclusions
from evalkit.stats.clustered import clustered_mean
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import amending, conduct, pool


@dataclass(frozen=True)
class Look:
    """A look after `sheets` complete sheets. `half_width`: of the widest interval among the pairs of systems; None
    where no valid interval exists or the look is still to come. `reached`: it is at most the planned one."""

    sheets: int
    half_width: float | None
    reached: bool


@dataclass(frozen=True)
class Enough:
    """`enough`: True at the first look that reached the planned width and ever after; None where no looks are planned.

    `complete_sheets`: those of raters whom no rule excludes.
    """

    enough: bool | None
    said: str
    complete_sheets: int
    planned_half_width: float | None
    looks: tuple[Look, ...]
    next_look: int | None


@dataclass(frozen=True)
class Ballot:
    """An answer to the primary question, blinded: 1 for the first arm, -1 for the second, else 0."""

    arms: tuple[str, str]
    prompt: str
    sheet: int
    value: float


def enough(session: Session, study_id: int) -> Enough:
    """Whether the study may stop, by its frozen rule.

    Raises:
        VotingError: no such study.
    """
    study = session.get(StudyRow, study_id)
    if study is None:
        raise VotingError("no such study in the database")
    spec = amending.effective(session, study)
    plan = Analysis.model_validate(spec["analysis"])
    complete = _complete(session, study_id, amending.rules(session, study))
    if plan.half_width is None:
        return Enough(
            None, "no looks are planned: the study ends when its sheets are done", len(complete), None, (), None
        )
    cast = ballots(session, study_id, plan.primary_question)
    looks = tuple(_look(complete, size, cast, plan) for size in plan.looks)
    reached = next((look for look in looks if look.reached), None)
    coming = None if reached else next((size for size in plan.looks if size > len(complete)), None)
    return Enough(
        reached is not None, _said(reached, coming, len(complete)), len(complete), plan.half_width, looks, coming
    )


def _said(reached: Look | None, coming: int | None, complete: int) -> str:
    if reached is not None:
        return f"enough: after {reached.sheets} complete sheets the interval was as narrow as planned"
    if coming is not None:
        return f"not yet: {complete} complete sheets, the next look is after {coming}"
    return f"not yet, and no look is left: {complete} complete sheets; the interval stays wider than planned"


def _look(complete: Sequence[int], size: int, ballots: Mapping[int, Sequence[Ballot]], plan: Analysis) -> Look:
    if len(complete) < size:
        return Look(size, None, False)
    seen = [ballot for sheet in complete[:size] for ballot in ballots.get(sheet, ())]
    width = _widest(seen, plan.confidence)
    return Look(size, width, width is not None and plan.half_width is not None and width <= plan.half_width)


def _widest(seen: Sequence[Ballot], confidence: float) -> float | None:
    """Half the width of the headline interval of the net preference; of several pairs of arms, the widest."""
    widths = []
    arms = sorted({arm for ballot in seen for arm in ballot.arms})
    for two in combinations(arms, 2):
        mine = [ballot for ballot in seen if ballot.arms == two]
        values, prompts, sheets = ([getattr(one, name) for one in mine] for name in ("value", "prompt", "sheet"))
        found = clustered_mean(values, prompts, sheets, confidence=confidence, bounds=None).estimate
        if found.low is None or found.high is None:
            return None
        widths.append((found.high - found.low) / 2)
    return max(widths, default=None)


def _complete(session: Session, study_id: int, rules: Exclusions) -> list[int]:
    """Sheets of which nothing is left and nothing went to others, in the order in which they were completed; people's,
    or else the panel's."""
    query = (
        select(SheetRow.id, SheetRow.rater_id, SheetRow.simulated, func.max(AssignmentRow.finished_at))
        .join(AssignmentRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id, SheetRow.rater_id.is_not(None))
        .group_by(SheetRow.id, SheetRow.rater_id, SheetRow.simulated)
        .having(func.count(AssignmentRow.id) == func.count(AssignmentRow.finished_at))
    )
    did, stumps = conduct.conduct(session, study_id), pool.passed_on(session, study_id)
    found = [
        row
        for row in session.execute(query)
        if row[0] not in stumps and not conduct.excluded_because(did.get(row[1] or 0, conduct.Conduct()), rules)
    ]
    people = [row for row in found if not row[2]]
    return [row[0] for row in sorted(people or found, key=_when)]


def _when(row: Sequence[object]) -> tuple[datetime, int]:
    assert isinstance(row[3], datetime) and isinstance(row[0], int)
    return row[3], row[0]


def ballots(session: Session, study_id: int, question: str) -> dict[int, list[Ballot]]:
    """The votes on a question by sheet; golds, repeats and practice left out."""
    first, second = aliased(ImageRow), aliased(ImageRow)
    query = (
        select(SheetRow.id, VoteRow.choice, AssignmentRow.a_is_left, first.arm, second.arm, PromptRow.key)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .join(PromptRow, first.prompt_id == PromptRow.id)
        .where(SheetRow.study_id == study_id, VoteRow.question == question)
        .where(ComparisonRow.kind == "vote", AssignmentRow.occasion == 1)
        .order_by(VoteRow.id)
    )
    by_sheet: dict[int, list[Ballot]] = defaultdict(list)
    for sheet, choice, a_is_left, arm_a, arm_b, prompt in session.execute(query):
        side = {"left": 1.0, "right": -1.0}.get(choice, 0.0)
        by_sheet[sheet].append(Ballot((arm_a, arm_b), prompt, sheet, side if a_is_left else -side))
    return by_sheet
