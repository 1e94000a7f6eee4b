"""Invites: a secret link for each rater. Only the hash of its token is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.errors import UnknownLinkError, VotingError
from evalkit.store.tables import RaterRow, StudyRow
from evalkit.voting import events

TOKEN_BYTES = 16  # 128 random bits


@dataclass(frozen=True)
class Invite:
    """One rater's link. The token is known here and in the link, and nowhere else."""

    rater_id: int
    code: str
    token: str
    link: str
    expires_at: datetime


def invite(
    session: Session,
    study_id: int,
    *,
    count: int,
    valid_days: float,
    now: datetime,
    app_url: str = "",
    simulated: bool = False,
    return_url: str | None = None,
    languages: Sequence[str] = (),
) -> list[Invite]:
    """Makes `count` links, one rater each.

    Args:
        app_url: where the raters' app is served; the link is `APP_URL/?t=TOKEN`.
        simulated: for raters that are programs.
        return_url: where a recruiting platform wants its people back; `{code}` stands for the completion code.
        languages: those that the raters are known to read (BCP-47), before they say so themselves.

    Raises:
        VotingError: no such study, or it is closed.
    """
    study = session.get(StudyRow, study_id, with_for_update=True)
    if study is None or study.closed_at is not None:
        raise VotingError(
            "the study is closed" if study else "no such study in the database", hint="nobody was invited"
        )
    if return_url is not None and not return_url.startswith(("https://", "http://")):
        raise VotingError("the return address is no web address", where=return_url, hint="https://...")
    known = {"simulated": simulated, "return_url": return_url, "languages": list(languages)}
    invites = [_one(session, study_id, now, now + timedelta(days=valid_days), app_url, known) for _ in range(count)]
    detail = {"count": count, "valid_days": valid_days, "simulated": simulated}
    events.append(session, study_id, "invite", now, detail=detail)
    return invites


def _one(
    session: Session, study_id: int, now: datetime, expires_at: datetime, app_url: str, known: dict[str, Any]
) -> Invite:
    token, code = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_hex(6)
    rater = RaterRow(
        study_id=study_id, code=code, token_sha=token_sha(token), invited_at=now, expires_at=expires_at,
        completion_code=secrets.token_hex(4).upper(), **known,
    )  # fmt: skip
    session.add(rater)
    session.flush()
    return Invite(rater.id, code, token, f"{app_url.rstrip('/')}/?t={token}", expires_at)


def token_sha(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find(session: Session, token: str, now: datetime) -> RaterRow:
    """The rater whom a token belongs to.

    Raises:
        UnknownLinkError: there is none.
        VotingError: withdrawn or expired. Both in words for the rater.
    """
    rater = session.scalar(select(RaterRow).where(RaterRow.token_sha == token_sha(token)))
    if rater is None:
        raise UnknownLinkError("This link is not known.", hint="Please copy the whole link from your invitation.")
    require_valid(rater, now)
    return rater


def is_known(session: Session, token: str) -> bool:
    """Whether a token was given out, valid or not."""
    return session.scalar(select(RaterRow.id).where(RaterRow.token_sha == token_sha(token))) is not None


def require_valid(rater: RaterRow, now: datetime) -> None:
    """Refuses a rater whose invite was withdrawn, erased or has expired."""
    if rater.revoked_at is not None or rater.erased_at is not None:
        raise VotingError("This link has been withdrawn.", hint="Please ask the person who invited you.")
    if rater.expires_at <= now:
        day = f"{rater.expires_at.day} {rater.expires_at:%B %Y}"
        raise VotingError(f"This link expired on {day}.", hint="Please ask the person who invited you for a new one.")


def revoke(session: Session, rater_id: int, now: datetime) -> None:
    """Withdraws an invite; what its rater left unfinished returns to the pool. Votes that were cast stay.

    Raises:
        VotingError: no such rater.
    """
    rater = session.get(RaterRow, rater_id)
    if rater is None:
        raise VotingError("no such rater in the database")
    if rater.revoked_at is None:
        rater.revoked_at = now
        events.append(session, rater.study_id, "revoke", now, detail={"rater": rater.code})


def by_code(session: Session, study_id: int, code: str) -> RaterRow:
    """The rater of a study with this pseudonym, as `vote invite` wrote it, or with this link.

    Raises:
        VotingError: there is none.
    """
    linked = parse_qs(urlsplit(code.strip()).query).get("t", [""])[0]
    known = RaterRow.token_sha == token_sha(linked) if linked else RaterRow.code == code.strip()
    rater = session.scalar(select(RaterRow).where(RaterRow.study_id == study_id, known))
    if rater is None:
        raise VotingError(f"no rater {code!r} in this study", hint="the codes are in the file of the invites")
    return rater
