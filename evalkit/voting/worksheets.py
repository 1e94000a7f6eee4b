"""Which comparison a rater is at. Derived from the database alone, so that F5 and a second tab change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import AssignmentRow, RaterRow, SheetRow
from evalkit.voting import pool

REST = timedelta(minutes=5)
"""So long without an answer, and a new spell of work begins."""


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


def take(session: Session, rater: RaterRow, now: datetime) -> SheetRow:
    """Gives the rater a free sheet, else what another rater left untouched; in a language that they know.

    Raises:
        VotingError: every sheet is taken.
    """
    free = select(SheetRow).where(SheetRow.study_id == rater.study_id, SheetRow.rater_id.is_(None))
    free = free.where(SheetRow.simulated == rater.simulated).where(_readable(session, rater))
    one = free.order_by(SheetRow.id).limit(1).with_for_update(skip_locked=True)
    sheet = session.scalar(one) or pool.leftovers(session, rater, _readable(session, rater), now)
    if sheet is None:
        raise VotingError("All places in this study are taken.", hint="Thank you for your interest.")
    sheet.rater_id = rater.id
    session.flush()
    return sheet


def _readable(session: Session, rater: RaterRow) -> ColumnElement[bool]:
    """Sheets of mixed languages, and those of a language that the rater knows (`es` knows `es-MX`)."""
    there = select(SheetRow.lang).where(SheetRow.study_id == rater.study_id, SheetRow.lang.is_not(None)).distinct()
    known = [
        lang for lang in session.scalars(there) if lang and any(same_language(lang, own) for own in rater.languages)
    ]
    return or_(SheetRow.lang.is_(None), SheetRow.lang.in_(known))


def same_language(one: str, other: str) -> bool:
    """Whether two BCP-47 tags are of one language, whatever the region and the script."""
    return one.split("-")[0].lower() == other.split("-")[0].lower()


def hold(assignment: AssignmentRow, hours: float, now: datetime) -> None:
    """Holds what is shown, and with it the rest of its sheet, for its rater; renewed at most once an hour."""
    until = now + timedelta(hours=hours)
    if assignment.expires_at is None or assignment.expires_at < until - min(
        timedelta(hours=1), timedelta(hours=hours) / 2
    ):
        assignment.expires_at = until


def spell_minutes(sheet: SheetRow, now: datetime) -> float:
    """Minutes of work since the last rest of `REST` or more."""
    times = sorted(item.finished_at for item in sheet.assignments if item.finished_at is not None)
    if not times or now - times[-1] >= REST:
        return 0.0
    first = times[-1]
    for time in reversed(times):
        if first - time >= REST:
            break
        first = time
    return max(0.0, (now - first).total_seconds() / 60)
