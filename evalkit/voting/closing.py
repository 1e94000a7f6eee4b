"""Closing: no more votes, a seal over those that are there, and the tables of the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import StudyRow
from evalkit.voting import events, seals, tidy
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
    cast = tidy.votes(session, study.id, link, systems)
    reported = tidy.reported(session, study.id, link)
    return Closed(cast, tidy.raters(session, study.id, cast), record(session, study) | {"reported_images": reported})


def record(session: Session, study: StudyRow) -> dict[str, Any]:
    """voting.json: when and how the votes are collected, and the log. It joins nothing with systems."""
    log = events.lines(session, study.id)
    design = study.spec["voting"] | {"comparisons_per_rater": study.spec["comparisons_per_rater"]}
    return {
        "opened_at": study.opened_at.isoformat(),
        "closed_at": study.closed_at.isoformat() if study.closed_at else None,
        "head": log[-1].sha,
        "design": design,
        "raters": tidy.flow(session, study.id),
        "events": [{"at": row.at.isoformat(), "what": row.what, "detail": row.detail, "sha": row.sha} for row in log],
    }
