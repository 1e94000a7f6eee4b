"""Seals: hashes of what was frozen at opening and of what was cast at closing, kept in the study's log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from evalkit.spec.identity import digest
from evalkit.store.tables import (
    AssignmentRow,
    CommentRow,
    ComparisonRow,
    EventRow,
    ImageRow,
    PromptRow,
    RaterRow,
    ReportRow,
    SheetRow,
    StudyRow,
    VoteRow,
)
from evalkit.voting import events


def design_sha(session: Session, study_id: int) -> str:
    """SHA-256 of what was frozen at opening: spec, prompts, images, comparisons, and the sheets drawn then.

    Who got which sheet is not part of it, nor are sheets that were drawn later: each drawing has an event of its own.
    """
    study = session.get(StudyRow, study_id)
    images = (
        select(PromptRow.key, PromptRow.lang, PromptRow.text, PromptRow.translations)
        .add_columns(ImageRow.key, ImageRow.arm, ImageRow.path, ImageRow.sha256)
        .join(PromptRow, ImageRow.prompt_id == PromptRow.id)
        .where(PromptRow.study_id == study_id)
        .order_by(ImageRow.key)
    )
    first, second = aliased(ImageRow), aliased(ImageRow)
    comparisons = (
        select(first.key, second.key, ComparisonRow.kind, ComparisonRow.gold, ComparisonRow.gold_kind)
        .add_columns(ComparisonRow.votes_wanted)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .where(ComparisonRow.study_id == study_id)
        .order_by(first.key, second.key)
    )
    about = [study.slug, study.mode, study.rehearses, study.opened_at.isoformat(), study.spec] if study else None
    rows = [[list(row) for row in session.execute(query)] for query in (images, comparisons)]
    return digest([about, *rows, draw_sha(session, study_id, 0)])


def draw_sha(session: Session, study_id: int, draw: int) -> str:
    """SHA-256 of one drawing of sheets: comparisons, order, sides, and how each sheet asks."""
    first, second = aliased(ImageRow), aliased(ImageRow)
    shown = (
        select(AssignmentRow.id, AssignmentRow.position, AssignmentRow.occasion, AssignmentRow.a_is_left)
        .add_columns(SheetRow.questions, SheetRow.hides_prompt, SheetRow.lang, SheetRow.simulated)
        .add_columns(first.key, second.key)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .where(SheetRow.study_id == study_id, AssignmentRow.draw == draw)
        .order_by(AssignmentRow.id)
    )
    return digest([list(row) for row in session.execute(shown)])


def next_draw(session: Session, study_id: int) -> int:
    """The number of a study's next drawing."""
    last = select(func.max(AssignmentRow.draw)).join(SheetRow)
    last = last.where(SheetRow.study_id == study_id, AssignmentRow.draw > 0)
    return (session.scalar(last) or 0) + 1


def log_draw(
    session: Session,
    study_id: int,
    number: int,
    sheets: int,
    why: str,
    now: datetime,
    weights: Mapping[tuple[str, str], float] | None = None,
) -> None:
    """The line of a drawing after the opening, with the hash of what was drawn, and the shares if they were uneven."""
    detail = {"draw": number, "draw_sha": draw_sha(session, study_id, number), "sheets": sheets, "why": why}
    if weights:
        detail["shares"] = {"|".join(arms): round(share, 4) for arms, share in weights.items()}
    events.append(session, study_id, "draw", now, detail=detail)


def votes_sha(session: Session, study_id: int) -> str:
    """SHA-256 of all that was cast: votes, when each comparison was shown and finished, by whom, reports, comments."""
    votes = (
        select(VoteRow.id, VoteRow.assignment_id, VoteRow.question, VoteRow.choice, VoteRow.response_ms)
        .add_columns(VoteRow.cast_at, VoteRow.app_version, VoteRow.simulated)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
    )
    shown = select(AssignmentRow.id, AssignmentRow.served_at, AssignmentRow.finished_at, AssignmentRow.revealed_at)
    shown = shown.add_columns(AssignmentRow.sheet_id, AssignmentRow.draw, RaterRow.code, RaterRow.simulated)
    shown = shown.select_from(AssignmentRow).join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
    shown = shown.outerjoin(RaterRow, SheetRow.rater_id == RaterRow.id)
    reports = select(ReportRow.id, ReportRow.assignment_id, ReportRow.side, ReportRow.reason, ReportRow.at)
    comments = select(CommentRow.id, CommentRow.assignment_id, CommentRow.text, CommentRow.at)
    queries = [
        votes.join(SheetRow, AssignmentRow.sheet_id == SheetRow.id).order_by(VoteRow.id),
        shown.order_by(AssignmentRow.id),
        reports.join(AssignmentRow).join(SheetRow).order_by(ReportRow.id),
        comments.join(AssignmentRow).join(SheetRow).order_by(CommentRow.id),
    ]
    mine = [session.execute(query.where(SheetRow.study_id == study_id)) for query in queries]
    return digest([[[_told(value) for value in row] for row in rows] for rows in mine])


def _told(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def verify(session: Session, study_id: int, head: str | None = None) -> list[str]:
    """What is wrong with a study, in sentences: its log, its frozen design, every later drawing, and, once it is
    closed, its votes.

    Args:
        head: the hash that was printed at opening or closing.
    """
    faults = events.verify_events(session, study_id, head)
    log = events.lines(session, study_id)
    opened = next((row.detail for row in log if row.what in events.OPENINGS), {})
    if opened.get("design_sha") != design_sha(session, study_id):
        faults.append("the design differs from the one frozen at opening")
    faults += _drawings(session, study_id, log)
    sealed = [row.detail["votes_sha"] for row in log if "votes_sha" in row.detail]
    study = session.get(StudyRow, study_id)
    closed = [row for row in log if row.what == "close"]
    if closed and (not sealed or sealed[-1] != votes_sha(session, study_id)):
        faults.append("the votes differ from those sealed at closing")
    if study is not None and study.closed_at != (closed[0].at if closed else None):
        faults.append("the study's state does not agree with its log")
    return faults


def _drawings(session: Session, study_id: int, log: Sequence[EventRow]) -> Iterator[str]:
    """Sheets that were drawn after the opening and are not as their event says, or have none."""
    told = {row.detail["draw"]: row.detail["draw_sha"] for row in log if "draw" in row.detail}
    there = select(AssignmentRow.draw).join(SheetRow).where(SheetRow.study_id == study_id).distinct()
    for draw in sorted({*told, *session.scalars(there)} - {0}):
        if told.get(draw) != draw_sha(session, study_id, draw):
            yield f"drawing {draw} of sheets differs from what the log says of it"
