"""Which comparison a rater is at. Derived from the database alone, so that F5 and a second tab change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import AssignmentRow, ComparisonRow, RaterRow, SheetRow
from evalkit.voting import adapting, pool

REST = timedelta(minutes=5)
"""So long without an answer, and a new spell of work begins."""


class Place(NamedTuple):
    """One assignment of a sheet, as far as it matters for what comes next."""

    id: int
    kind: str
    served_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Work:
    """A sheet's assignments in their order, read in one go."""

    places: tuple[Place, ...] = ()

    @property
    def current(self) -> Place | None:
        """The first unfinished one; None once all are done."""
        return next((place for place in self.places if place.finished_at is None), None)

    @property
    def last_finished(self) -> Place | None:
        """The one before the current one."""
        return next((place for place in reversed(self.places) if place.finished_at is not None), None)

    def like(self, *, practice: bool) -> list[Place]:
        """The warm-ups, or all the others."""
        return [place for place in self.places if (place.kind == "warmup") == practice]

    def near(self, assignment_id: int) -> bool:
        """Whether an assignment is the current one, the next or the one before."""
        order, current = [place.id for place in self.places], self.current
        return abs(order.index(assignment_id) - (order.index(current.id) if current else len(order))) <= 1

    def spell_minutes(self, now: datetime) -> float:
        """Minutes of work since the last rest of `REST` or more."""
        times = sorted(place.finished_at for place in self.places if place.finished_at is not None)
        if not times or now - times[-1] >= REST:
            return 0.0
        first = times[-1]
        for time in reversed(times):
            if first - time >= REST:
                break
            first = time
        return max(0.0, (now - first).total_seconds() / 60)


def work(session: Session, sheet_id: int) -> Work:
    """What is on a sheet."""
    query = (
        select(AssignmentRow.id, ComparisonRow.kind, AssignmentRow.served_at, AssignmentRow.finished_at)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .where(AssignmentRow.sheet_id == sheet_id)
        .order_by(AssignmentRow.position)
    )
    return Work(tuple(Place(*row) for row in session.execute(query)))


def sheet_of(session: Session, rater: RaterRow) -> SheetRow | None:
    """The sheet that the rater has taken, if any."""
    return session.scalar(select(SheetRow).where(SheetRow.rater_id == rater.id))


def take(session: Session, rater: RaterRow, now: datetime) -> SheetRow:
    """Gives the rater a free sheet, else what another rater left untouched; in a language that they know.

    Raises:
        VotingError: every sheet is taken.
    """
    free = select(SheetRow).where(SheetRow.study_id == rater.study_id, SheetRow.rater_id.is_(None))
    free = free.where(SheetRow.simulated == rater.simulated).where(_readable(rater))
    one = free.order_by(SheetRow.id).limit(1).with_for_update(skip_locked=True)
    sheet = session.scalar(one) or pool.leftovers(session, rater, _readable(rater), now)
    if sheet is None and adapting.next_wave(session, rater, now):
        sheet = session.scalar(one)
    if sheet is None:
        raise VotingError("All places in this study are taken.", hint="Thank you for your interest.")
    sheet.rater_id = rater.id
    session.flush()
    return sheet


def _readable(rater: RaterRow) -> ColumnElement[bool]:
    """Sheets of mixed languages, and those of a language that the rater knows, as `same_language` has it."""
    known, lang = {_base(own) for own in rater.languages}, func.lower(SheetRow.lang)
    of_one = (or_(lang == base, lang.startswith(f"{base}-", autoescape=True)) for base in sorted(known))
    return or_(SheetRow.lang.is_(None), *of_one)


def same_language(one: str, other: str) -> bool:
    """Whether two BCP-47 tags are of one language, whatever the region and the script."""
    return _base(one) == _base(other)


def _base(tag: str) -> str:
    return tag.split("-")[0].lower()


def hold(assignment: AssignmentRow, hours: float, now: datetime) -> None:
    """Holds what is shown, and with it the rest of its sheet, for its rater; renewed at most once an hour.

    To be called before `served_at` is set: what is shown for the first time begins anew.
    """
    until, slack = now + timedelta(hours=hours), min(timedelta(hours=1), timedelta(hours=hours) / 2)
    if assignment.served_at is None or assignment.expires_at is None or assignment.expires_at < until - slack:
        assignment.expires_at = until


def hand_on(session: Session, finished: AssignmentRow, work: Work) -> None:
    """The hold of what was just finished passes to what comes next, so that it lapses if the rater goes now."""
    following = next((place for place in work.places if not place.finished_at and place.id != finished.id), None)
    if following is not None:
        one = update(AssignmentRow).where(AssignmentRow.id == following.id, AssignmentRow.expires_at.is_(None))
        session.execute(one.values(expires_at=finished.expires_at))
