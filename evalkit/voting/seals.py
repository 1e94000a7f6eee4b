"""Seals: hashes of what was frozen at opening and of what was cast at closing, kept in the study's log."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from evalkit.spec.identity import digest
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import events


def design_sha(session: Session, study_id: int) -> str:
    """SHA-256 of what was drawn at opening: spec, prompts, images, comparisons, orders and sides.

    Who got which sheet is not part of it, nor are the sheets of a simulated panel.
    """
    study = session.get(StudyRow, study_id)
    first, second = aliased(ImageRow), aliased(ImageRow)
    images = (
        select(PromptRow.key, PromptRow.lang, PromptRow.text, ImageRow.key, ImageRow.arm, ImageRow.sha256)
        .join(PromptRow, ImageRow.prompt_id == PromptRow.id)
        .where(PromptRow.study_id == study_id)
        .order_by(ImageRow.key)
    )
    shown = (
        select(AssignmentRow.id, AssignmentRow.position, AssignmentRow.occasion, AssignmentRow.a_is_left)
        .add_columns(first.key, second.key)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .where(SheetRow.study_id == study_id, SheetRow.simulated.is_(False))
        .order_by(AssignmentRow.id)
    )
    rows = [[list(row) for row in session.execute(query)] for query in (images, shown)]
    return digest([study.spec if study else None, *rows])


def votes_sha(session: Session, study_id: int) -> str:
    """SHA-256 of all votes of a study, in the order of their numbers."""
    votes = (
        select(VoteRow.id, VoteRow.assignment_id, VoteRow.question, VoteRow.choice, VoteRow.response_ms)
        .add_columns(VoteRow.cast_at, VoteRow.app_version, VoteRow.simulated, SheetRow.rater_id)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id)
        .order_by(VoteRow.id)
    )
    return digest([[*row[:5], row.cast_at.isoformat(), *row[6:]] for row in session.execute(votes)])


def verify(session: Session, study_id: int, head: str | None = None) -> list[str]:
    """What is wrong with a study, in sentences: its log, its frozen design, and, once it is closed, its votes.

    Args:
        head: the hash that was printed at opening or closing.
    """
    faults = events.verify_events(session, study_id, head)
    sealed = {row.what: row.detail for row in events.lines(session, study_id)}
    if sealed.get("open", {}).get("design_sha") != design_sha(session, study_id):
        faults.append("the design differs from the one frozen at opening")
    if "close" in sealed and sealed["close"].get("votes_sha") != votes_sha(session, study_id):
        faults.append("the votes differ from those sealed at closing")
    study = session.get(StudyRow, study_id)
    if study is not None and (study.closed_at is not None) != ("close" in sealed):
        faults.append("the study's state does not agree with its log")
    return faults
