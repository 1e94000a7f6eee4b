"""Closing: no more votes, a seal over those that are there, and the tables of the run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import StudyRow
from evalkit.voting import amending, conduct, counting, enough, events, seals, tidy
from evalkit.voting.arms import Arms

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Closed:
    """A closed study: its tables, and the record for voting.json."""

    votes: pd.DataFrame
    raters: pd.DataFrame
    record: dict[str, Any]


def set_closed(session: Session, study_id: int, now: datetime) -> str:
    """Takes no more votes from now on and seals those that are there; gives the head of the log.

    A study that is closed already stays as it was. This is what the researcher's app does; the tables are exported by
    `evalkit vote close`.

    Raises:
        VotingError: no such study.
    """
    study = session.scalar(select(StudyRow).where(StudyRow.id == study_id).with_for_update())
    if study is None:
        raise VotingError("no such study in the database")
    if study.closed_at is not None:
        return events.lines(session, study_id)[-1].sha
    study.closed_at = now
    session.flush()
    return events.append(session, study_id, "close", now, detail={"votes_sha": seals.votes_sha(session, study_id)})


def close(session: Session, study: StudyRow, link: Arms, systems: list[str], now: datetime) -> Closed:
    """Closes a study, if it is open, and joins votes and systems.

    Args:
        link: what the arms stand for; from here on nobody is blind.
        systems: in the study's order.
    """
    set_closed(session, study.id, now)
    return _tables(session, study, link, systems)


def interim(session: Session, study: StudyRow, link: Arms, systems: list[str], reason: str, now: datetime) -> Closed:
    """The votes of an open study, for a look before its end: a line in the log, and a deviation that a report prints.

    Raises:
        VotingError: the study is closed, or no reason is given.
    """
    if study.closed_at is not None:
        raise VotingError("the study is closed: its votes are there already", hint="`evalkit report`")
    if not reason.strip():
        raise VotingError("an interim look needs a reason", hint='--reason "what it is for"')
    events.append(session, study.id, "interim", now, detail={"reason": reason.strip()})
    found = _tables(session, study, link, systems)
    found.record["interim"] = {"at": now.isoformat(), "reason": reason.strip()}
    return found


def _tables(session: Session, study: StudyRow, link: Arms, systems: list[str]) -> Closed:
    cast = tidy.votes(session, study.id, link, systems)
    rules = amending.rules(session, study)
    people = tidy.raters(session, study.id, cast, rules)
    told = {
        "exclusions": conduct.in_words(rules),
        "excluded": people.loc[people["n_votes"] > 0, "excluded_because"]
        .value_counts()
        .drop("", errors="ignore")
        .to_dict(),
        "reported_images": tidy.reported(session, study.id, link),
        "comments": tidy.comments(session, study.id, link),
    }
    return Closed(cast, people, record(session, study) | told)


def record(session: Session, study: StudyRow) -> dict[str, Any]:
    """voting.json: when and how the votes are collected, and the log. It joins nothing with systems."""
    log = events.lines(session, study.id)
    spec = amending.effective(session, study)
    drawn = {
        name: spec[name] for name in ("comparisons_per_rater", "items_per_rater", "sheets", "rules") if name in spec
    }
    changed = [asdict(one) | {"at": one.at.isoformat()} for one in amending.amendments(session, study.id)]
    return {
        "opened_at": study.opened_at.isoformat(),
        "closed_at": study.closed_at.isoformat() if study.closed_at else None,
        "mode": study.mode,
        "head": log[-1].sha,
        "design": spec["voting"] | drawn | {"places": counting.places(session, study)},
        "analysis": spec["analysis"],
        "questions": spec["questions"],
        "amendments": changed,
        "looks": asdict(enough.enough(session, study.id)),
        "interim": None,
        "raters": tidy.flow(session, study.id),
        "events": [{"at": row.at.isoformat(), "what": row.what, "detail": row.detail, "sha": row.sha} for row in log],
    }
