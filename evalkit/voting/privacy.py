"""What a study knows of people, and how it forgets: erasure on request, and after the time that the study file says.

No network address is stored anywhere; names are none of the fields. Votes stand under a pseudonym.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import AssignmentRow, CommentRow, RaterRow, ReportRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import amending, events, invites, seals


def erase(session: Session, rater_id: int, now: datetime) -> int:
    """Removes what a rater told of themselves, their comments, link and pseudonym; says how many votes went.

    The votes stay under a new pseudonym that no list of invites knows, or are removed, as `voting.on_erasure` says;
    then the comparisons return to the pool. The log keeps that the old pseudonym was erased, and of a closed study the
    new seal over its votes.

    Raises:
        VotingError: no such rater.
    """
    rater = session.get(RaterRow, rater_id, with_for_update=True)
    if rater is None:
        raise VotingError("no such rater in the database")
    study = session.get_one(StudyRow, rater.study_id, with_for_update=True)
    dropped = 0
    if drops_answers(session, study):
        dropped = _drop_votes(session, rater.id)
    before = rater.code
    _forget(session, rater)
    rater.token_sha = invites.token_sha(secrets.token_urlsafe(invites.TOKEN_BYTES))
    rater.code, rater.erased_at = secrets.token_hex(6), now
    session.flush()
    detail = {"rater": before, "votes_dropped": dropped} | _resealed(session, study)
    events.append(session, rater.study_id, "erase", now, detail=detail)
    return dropped


def drops_answers(session: Session, study: StudyRow) -> bool:
    """Whether the answers of a rater who is erased go too; the consent says so."""
    return bool(amending.effective(session, study)["voting"].get("on_erasure", "keep") == "drop")


def retire(session: Session, study_id: int, now: datetime) -> int:
    """Removes what raters told of themselves once `voting.retention_days` after closing have passed; says of how many.

    Votes and pseudonyms stay. Nothing happens before the time, without one, or a second time.
    """
    study = session.get(StudyRow, study_id, with_for_update=True)
    if study is None:
        raise VotingError("no such study in the database")
    if (due := due_at(session, study)) is None or now < due:
        return 0
    told = [
        rater
        for rater in session.scalars(select(RaterRow).where(RaterRow.study_id == study_id))
        if _told(session, rater)
    ]
    for rater in told:
        _forget(session, rater)
    if told:
        session.flush()
        detail = {"raters": len(told)} | _resealed(session, study)
        events.append(session, study_id, "retire", now, detail=detail)
    return len(told)


def due_at(session: Session, study: StudyRow) -> datetime | None:
    """When what raters told of themselves has to go; None while the study is open, or where no time is set."""
    days = amending.effective(session, study)["voting"].get("retention_days")
    return None if days is None or study.closed_at is None else study.closed_at + timedelta(days=days)


def _told(session: Session, rater: RaterRow) -> bool:
    wrote = select(CommentRow.id).where(CommentRow.assignment_id.in_(_assignments(rater.id))).limit(1)
    own = (rater.languages, rater.background, rater.viewing, rater.return_url)
    return any(own) or session.scalar(wrote) is not None


def _forget(session: Session, rater: RaterRow) -> None:
    rater.languages, rater.background, rater.viewing, rater.return_url = [], {}, {}, None
    session.execute(delete(CommentRow).where(CommentRow.assignment_id.in_(_assignments(rater.id))))


def _drop_votes(session: Session, rater_id: int) -> int:
    mine = _assignments(rater_id)
    dropped = session.execute(delete(VoteRow).where(VoteRow.assignment_id.in_(mine))).rowcount  # type: ignore[attr-defined]
    session.execute(delete(ReportRow).where(ReportRow.assignment_id.in_(mine)))
    for row in session.scalars(select(AssignmentRow).where(AssignmentRow.id.in_(mine))):
        row.served_at = row.finished_at = row.revealed_at = None
    session.flush()
    session.expire_all()
    return int(dropped)


def _assignments(rater_id: int):  # type: ignore[no-untyped-def]
    return select(AssignmentRow.id).join(SheetRow).where(SheetRow.rater_id == rater_id)


def _resealed(session: Session, study: StudyRow) -> dict[str, str]:
    return {"votes_sha": seals.votes_sha(session, study.id)} if study.closed_at is not None else {}
