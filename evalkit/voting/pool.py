"""What absent raters left untouched returns to the pool: balance counts completed work only.

A rater is absent when their invite was withdrawn, erased or has expired, or when nothing was served to them for
`voting.hold_hours`. What they answered stays theirs.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, false, or_, select
from sqlalchemy.orm import Session, selectinload

from evalkit.store.tables import (
    AssignmentRow,
    CommentRow,
    ComparisonRow,
    EventRow,
    RaterRow,
    ReportRow,
    SheetRow,
    VoteRow,
)
from evalkit.voting import events, seals

_WHOLE = selectinload(SheetRow.assignments).options(
    selectinload(AssignmentRow.votes), selectinload(AssignmentRow.reports), selectinload(AssignmentRow.comparison)
)
"""What `_moved` needs to know of a sheet, in four queries"""


def untouched(assignment: AssignmentRow | None) -> bool:
    """Whether nothing was answered, reported or said on it yet."""
    return assignment is None or not (assignment.votes or assignment.reports or assignment.comment)


def leftovers(session: Session, rater: RaterRow, readable: ColumnElement[bool], now: datetime) -> SheetRow | None:
    """A new sheet with the untouched comparisons of an absent rater, and with their golds and warm-ups again.

    Every sheet that was begun has a hold on something unfinished (`worksheets.hand_on`). By that an index finds it, the
    oldest first, however many sheets are finished or free.
    """
    begun = (AssignmentRow.finished_at.is_(None), AssignmentRow.expires_at.is_not(None))
    query = (
        select(SheetRow)
        .join(AssignmentRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(RaterRow, SheetRow.rater_id == RaterRow.id)
        .where(*begun, SheetRow.study_id == rater.study_id, SheetRow.simulated == rater.simulated, readable)
        .where(_free(now))
        .order_by(AssignmentRow.expires_at)
        .limit(1)
        .options(_WHOLE)
        .with_for_update(of=[SheetRow, RaterRow], skip_locked=True)  # a vote under way keeps its place
    )
    old = session.scalar(query)
    return _moved(session, old, _left(old), now) if old else None


def passed_on(session: Session, study_id: int) -> dict[int, int]:
    """Sheet -> how many of its items went to others. A sheet that is named here is never complete.

    From the log, so that it holds for studies of every version.
    """
    log = select(EventRow.detail).where(EventRow.study_id == study_id, EventRow.what == "pool")
    counted: Counter[int] = Counter()
    for detail in session.scalars(log):
        counted[detail["from"]] += detail["moved"]
    return counted


def _free(now: datetime) -> ColumnElement[bool]:
    """Whether a sheet is left, and something on it. CASE, so that the costly questions are asked only where the cheap
    one says yes; they are asked sheet by sheet (OFFSET 0), and no whole table is hashed for them."""
    gone = or_(RaterRow.revoked_at.is_not(None), RaterRow.erased_at.is_not(None), RaterRow.expires_at <= now)
    own = select(AssignmentRow.id).where(AssignmentRow.sheet_id == SheetRow.id, AssignmentRow.expires_at > now)
    held = exists(own.offset(0).correlate(SheetRow))
    left = and_(or_(gone, ~held), _something_left())
    return case((or_(AssignmentRow.expires_at <= now, gone), left), else_=false())


def _something_left() -> ColumnElement[bool]:
    """Sheets with a comparison that counts and was never touched."""
    answered = exists().where(VoteRow.assignment_id == AssignmentRow.id)
    reported = exists().where(ReportRow.assignment_id == AssignmentRow.id)
    said = exists().where(CommentRow.assignment_id == AssignmentRow.id)
    return exists(
        select(AssignmentRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .where(AssignmentRow.sheet_id == SheetRow.id, AssignmentRow.finished_at.is_(None))
        .where(ComparisonRow.kind == "vote", AssignmentRow.occasion == 1, ~answered, ~reported, ~said)
        .offset(0)
        .correlate(SheetRow)
    )


def _left(sheet: SheetRow) -> list[AssignmentRow]:
    """What can go to another rater: untouched, and a repeat only together with its first showing."""
    free = [item for item in sheet.assignments if item.finished_at is None and untouched(item)]
    firsts = {item.comparison_id for item in free if item.occasion == 1}
    return [item for item in free if item.occasion == 1 or item.comparison_id in firsts]


def _moved(session: Session, old: SheetRow, left: list[AssignmentRow], now: datetime) -> SheetRow:
    """The new sheet. Golds and warm-ups that the absent rater has done are drawn again, as a drawing of its own."""
    draw, moved = seals.next_draw(session, old.study_id), {item.id for item in left}
    again = [item for item in old.assignments if item.comparison.kind != "vote" and item.id not in moved]
    new = SheetRow(
        study_id=old.study_id, simulated=old.simulated, questions=old.questions, hides_prompt=old.hides_prompt,
        lang=old.lang,
    )  # fmt: skip
    session.add(new)
    for item in left:
        item.sheet, item.served_at, item.expires_at = new, None, None
    for item in again:
        session.add(
            AssignmentRow(
                sheet=new, comparison_id=item.comparison_id, position=item.position, occasion=item.occasion,
                a_is_left=item.a_is_left, draw=draw,
            )
        )  # fmt: skip
    session.flush()
    session.refresh(new)
    session.expire(old, ["assignments"])
    events.append(session, old.study_id, "pool", now, detail={"from": old.id, "to": new.id, "moved": len(left)})
    if again:
        seals.log_draw(session, old.study_id, draw, 1, "golds and warm-ups of a sheet from the pool", now)
    return new
