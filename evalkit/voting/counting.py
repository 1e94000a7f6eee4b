"""How far a study is, in numbers that the database counts: quick however large it is, and nothing of an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from evalkit.store.tables import AssignmentRow, ComparisonRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import amending, events


@dataclass(frozen=True)
class Counts:
    """A study in numbers that the database counts: comparisons of people's sheets, and votes of all kinds.

    `last_hour`: comparisons finished by people in the hour before.
    """

    planned: int
    finished: int
    last_hour: int
    votes: int
    simulated: int

    @property
    def per_second(self) -> float | None:
        """None where nobody voted in the last hour."""
        return self.last_hour / 3600 if self.last_hour else None

    @property
    def seconds_left(self) -> float | None:
        return (self.planned - self.finished) / self.per_second if self.per_second else None


def any_open(session: Session) -> bool:
    """Whether raters of some study can vote now."""
    return session.scalar(select(StudyRow.id).where(StudyRow.closed_at.is_(None)).limit(1)) is not None


def places(session: Session, study: StudyRow) -> int:
    """How many sheets are planned for people: those of the frozen design, of every language, and those of amendments.

    What an absent rater left counts with the sheet that it was drawn on.
    """
    langs = select(func.count(SheetRow.lang.distinct())).where(SheetRow.study_id == study.id)
    lines = events.lines(session, study.id)
    more: int = sum(row.detail["sheets"] for row in lines if row.detail.get("why") == amending.MORE_RATERS)
    return int(study.spec["sheets"]) * max(1, session.scalar(langs) or 0) + more


def counts(session: Session, study_id: int, now: datetime) -> Counts:
    """How far a study is, for a line of text: quick however large it is."""
    recent = case((AssignmentRow.finished_at > now - timedelta(hours=1), 1))
    work = (
        select(func.count(AssignmentRow.id), func.count(AssignmentRow.finished_at), func.count(recent))
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .where(
            SheetRow.study_id == study_id,
            SheetRow.simulated.is_(False),
            ComparisonRow.kind == "vote",
            AssignmentRow.occasion == 1,
        )
    )
    cast = (
        select(VoteRow.simulated, func.count(VoteRow.id))
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id)
        .group_by(VoteRow.simulated)
    )
    planned, finished, last_hour = session.execute(work).one()
    votes = {bool(simulated): int(count) for simulated, count in session.execute(cast)}
    return Counts(planned, finished, last_hour, votes.get(False, 0), votes.get(True, 0))
