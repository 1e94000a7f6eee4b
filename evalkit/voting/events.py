"""The log of a study: each line carries the hash of the one before, so that none can be changed unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.spec.identity import digest
from evalkit.store.tables import EventRow, StudyRow

OPENINGS = ("open", "rehearse")
"""What the first line of a log can say"""


def append(
    session: Session, study_id: int, what: str, now: datetime, *, actor: str = "", detail: dict[str, Any] | None = None
) -> str:
    """Adds a line and gives its hash: the log's new head.

    Lines say: open or rehearse, invite, revoke, undo, pool, draw, simulate, amend, interim, erase, retire, close.
    """
    study = session.get(StudyRow, study_id, with_for_update=True)  # one writer of a log at a time
    if study is None:
        raise VotingError("no such study in the database")
    last = session.scalar(select(EventRow).where(EventRow.study_id == study_id).order_by(EventRow.id.desc()).limit(1))
    row = EventRow(
        study_id=study_id, at=now.astimezone(UTC), actor=actor, what=what, detail=detail or {},
        prev_sha=last.sha if last else study.study_sha, sha="",
    )  # fmt: skip
    row.sha = sha_of(row)
    session.add(row)
    session.flush()
    return row.sha


def sha_of(row: EventRow) -> str:
    """SHA-256 over all that a line says, the hash of the line before it included."""
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return digest([row.prev_sha, at, row.actor, row.what, row.detail])


def lines(session: Session, study_id: int) -> list[EventRow]:
    """The log, oldest line first."""
    return list(session.scalars(select(EventRow).where(EventRow.study_id == study_id).order_by(EventRow.id)))


def verify_events(session: Session, study_id: int, head: str | None = None) -> list[str]:
    """What is wrong with the log, in sentences; nothing if it is unbroken.

    Args:
        head: the hash printed at opening or closing. Without it, lines that were cut off at the end go unseen.
    """
    study = session.get(StudyRow, study_id)
    log = lines(session, study_id)
    if study is None or not log:
        return ["the log is empty"]
    faults = [] if log[0].what in OPENINGS else ["the log does not begin with the opening"]
    expected = study.study_sha
    for number, row in enumerate(log, start=1):
        if row.prev_sha != expected:
            faults.append(f"line {number} ({row.what}) does not follow the line before it")
        if row.sha != sha_of(row):
            faults.append(f"line {number} ({row.what}) was changed")
        expected = row.sha
    if head is not None and head not in {row.sha for row in log}:
        faults.append("the head that was printed is not in the log: lines are missing or were written anew")
    return faults
