"""Which comparison a rater is at. Derived from the database alone, so that F5 and a second tab change nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import AssignmentRow, RaterRow, SheetRow


def sheet_of(session: Session, rater: RaterRow) -> SheetRow | None:
    """The sheet that the rater has taken, if any."""
    return session.scalar(select(SheetRow).where(SheetRow.rater_id == rater.id))


def current(sheet: SheetRow) -> AssignmentRow | None:
    """The first unfinished assignment; None once all are done."""
    return next((assignment for assignment in sheet.assignments if assignment.finished_at is None), None)


def last_finished(sheet: SheetRow) -> AssignmentRow | None:
    """The assignment that was finished last: the one before the current one."""
    finished = [assignment for assignment in sheet.assignments if assignment.finished_at is not None]
    return finished[-1] if finished else None


def untouched(assignment: AssignmentRow | None) -> bool:
    """Whether nothing was answered or reported on it yet."""
    return assignment is None or not (assignment.votes or assignment.reports)


def take(session: Session, rater: RaterRow, now: datetime) -> SheetRow:
    """Gives the rater a free sheet, else what a rater whose invite has lapsed left unfinished.

    Raises:
        VotingError: every sheet is taken.
    """
    sheet = session.scalar(
        select(SheetRow)
        .where(SheetRow.study_id == rater.study_id, SheetRow.rater_id.is_(None))
        .where(SheetRow.simulated == rater.simulated)
        .order_by(SheetRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ) or _leftovers(session, rater, now)
    if sheet is None:
        raise VotingError("All places in this study are taken.", hint="Thank you for your interest.")
    sheet.rater_id = rater.id
    session.flush()
    return sheet


def _leftovers(session: Session, rater: RaterRow, now: datetime) -> SheetRow | None:
    """A new sheet with the unanswered assignments of a lapsed one; the answered ones stay where they are."""
    lapsed = session.scalars(
        select(SheetRow)
        .join(RaterRow, SheetRow.rater_id == RaterRow.id)
        .where(SheetRow.study_id == rater.study_id, SheetRow.simulated == rater.simulated)
        .where(or_(RaterRow.revoked_at.is_not(None), RaterRow.erased_at.is_not(None), RaterRow.expires_at <= now))
        .order_by(SheetRow.id)
        .with_for_update(of=[SheetRow, RaterRow], skip_locked=True)  # a vote under way keeps its place
    )
    for old in lapsed:
        left = [item for item in old.assignments if item.finished_at is None and untouched(item)]
        if left:
            new = SheetRow(study_id=old.study_id, simulated=old.simulated, questions=old.questions)
            session.add(new)
            for item in left:
                item.sheet, item.served_at = new, None
            return new
    return None
