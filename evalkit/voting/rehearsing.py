"""Pilots and previews: copies of an open study, with sheets of their own, whose votes can never mix with the study's.

A copy is a study of its own in every table, with a log of its own. Its pictures are the study's files under new names.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.spec.identity import digest
from evalkit.store.tables import MODES, ComparisonRow, ImageRow, PromptRow, StudyRow
from evalkit.voting import decks, events, freezing, seals, stored
from evalkit.voting.decks import Plan

SHEETS = 10


def rehearse(session: Session, study_id: int, mode: str, now: datetime, sheets: int = SHEETS) -> int:
    """Opens a pilot or a preview of a study; gives its number. Invites for it are made as for any study.

    Args:
        mode: pilot (a trial with real raters) or preview (for those who run the study).

    Raises:
        VotingError: no such study, itself a rehearsal, closed, or no such mode.
    """
    study = session.get(StudyRow, study_id, with_for_update=True)
    if study is None:
        raise VotingError("no such study in the database")
    if mode not in MODES[1:]:
        raise VotingError(f"no such mode: {mode}", hint=f"one of {', '.join(MODES[1:])}")
    if study.mode != "study" or study.closed_at is not None:
        raise VotingError("only an open study can be rehearsed", where=study.slug)
    copy = _copy_of(session, study, mode, now)
    deck, rows = stored.deck_of(session, copy.id)
    drawn = decks.draw(deck, Plan.of(copy.spec), sheets, digest([mode, copy.study_sha]))
    freezing.add_sheets(session, copy.id, drawn, rows)
    detail = {"mode": mode, "design_sha": seals.design_sha(session, copy.id), "sheets": len(drawn)}
    events.append(session, copy.id, "rehearse", now, detail=detail)
    return copy.id


def of(session: Session, study: StudyRow) -> list[StudyRow]:
    """The rehearsals of a study, oldest first."""
    mine = select(StudyRow).where(StudyRow.slug == study.slug, StudyRow.rehearses == study.study_sha)
    return list(session.scalars(mine.order_by(StudyRow.id)))


def _copy_of(session: Session, study: StudyRow, mode: str, now: datetime) -> StudyRow:
    before = select(func.count(StudyRow.id)).where(StudyRow.rehearses == study.study_sha)
    sha = digest([study.study_sha, mode, session.scalar(before), secrets.token_hex(8)])
    copy = StudyRow(
        slug=study.slug, study_sha=sha, spec=study.spec, opened_at=now, mode=mode, rehearses=study.study_sha
    )  # fmt: skip
    session.add(copy)
    session.flush()
    prompts = {}
    for old in session.scalars(select(PromptRow).where(PromptRow.study_id == study.id).order_by(PromptRow.id)):
        told = {"key": old.key, "lang": old.lang, "text": old.text, "translations": old.translations}
        prompts[old.id] = PromptRow(study_id=copy.id, **told)
    session.add_all(prompts.values())
    session.flush()
    _copy_pairs(session, study.id, copy.id, _copy_images(session, prompts))
    return copy


def _copy_images(session: Session, prompts: dict[int, PromptRow]) -> dict[int, int]:
    """Row of an image -> row of its copy, in random order as at opening."""
    there = list(session.scalars(select(ImageRow).where(ImageRow.prompt_id.in_(prompts))))
    secrets.SystemRandom().shuffle(there)
    copies = {
        old.id: ImageRow(
            prompt_id=prompts[old.prompt_id].id,
            arm=old.arm,
            key=secrets.token_hex(16),
            path=old.path,
            sha256=old.sha256,
        )
        for old in there
    }
    session.add_all(copies.values())
    session.flush()
    return {old: row.id for old, row in copies.items()}


def _copy_pairs(session: Session, study_id: int, copy_id: int, images: dict[int, int]) -> None:
    there = list(session.scalars(select(ComparisonRow).where(ComparisonRow.study_id == study_id)))
    secrets.SystemRandom().shuffle(there)
    for old in there:
        session.add(
            ComparisonRow(
                study_id=copy_id, image_a_id=images[old.image_a_id], image_b_id=images[old.image_b_id], kind=old.kind,
                gold=old.gold, gold_kind=old.gold_kind, votes_wanted=old.votes_wanted,
            )
        )  # fmt: skip
    session.flush()
