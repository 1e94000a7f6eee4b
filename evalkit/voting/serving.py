"""What the raters' app asks of a study: who is this, what comes next, and "this is my answer".

The interface of app/rater.py. Every function runs inside one `evalkit.store.db.session(engine)`; what it did is safe
once that block is left, and may only then be acknowledged. Everything is derived from the database: two tabs, F5 and
requests that are sent twice are harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.store.tables import (
    CHOICES,
    AssignmentRow,
    CommentRow,
    RaterRow,
    ReportRow,
    SheetRow,
    StudyRow,
    VoteRow,
)
from evalkit.voting import events, invites, pool, presenting, worksheets
from evalkit.voting.presenting import Presented as Presented
from evalkit.voting.presenting import PresentedQuestion as PresentedQuestion

SECONDS_PER_QUESTION = 10.0  # the first estimate of the time left, until the rater has a pace
PACE_CAP = 120.0  # seconds; a longer comparison was a pause
DAY_MS = 86_400_000
REASON_LENGTH = 500
COMMENT_LENGTH = 2000
HOLD_HOURS, SESSION_MINUTES = 48.0, 30  # of studies that were frozen before they could say


@dataclass(frozen=True)
class RaterState:
    """Where a rater stands. `languages` are those that the rater named.

    `total` and `done` count what is shown after practice, golds and repeats included: nobody can tell those apart.
    `break_due`: `session_minutes` of work without a rest. `return_url`: where a recruiting platform wants its people
    back, once they are through. `mode`: study, pilot or preview.
    """

    rater_id: int
    study_id: int
    title: str
    consented: bool
    done: int
    total: int
    finished: bool
    completion_code: str | None
    languages: tuple[str, ...]
    miniature: bool
    closed: bool
    estimated_minutes: float
    practising: bool = False
    break_due: bool = False
    session_minutes: int = 30
    return_url: str | None = None
    mode: str = "study"


def enter(session: Session, token: str, now: datetime) -> RaterState:
    """The state of the rater whom an invite's token belongs to.

    Raises:
        VotingError: the token is unknown, expired or withdrawn, in words for the rater.
    """
    return _state(session, invites.find(session, token, now), now)


def consent(
    session: Session,
    rater_id: int,
    version: str,
    now: datetime,
    languages: Sequence[str] = (),
    background: Mapping[str, Any] | None = None,
    viewing: Mapping[str, Any] | None = None,
) -> None:
    """Stores the consent, and what the rater chose to tell. The first consent's time stays."""
    rater = _rater(session, rater_id, now)
    rater.consented_at = rater.consented_at or now
    rater.consent_version = version
    rater.languages = list(languages) or rater.languages
    rater.background = {**rater.background, **(background or {})}
    rater.viewing = {**rater.viewing, **(viewing or {})}


def next_comparison(session: Session, rater_id: int, now: datetime, lang: str = "en") -> Presented | None:
    """The comparison that the rater is at, the same until it is finished; None once all are done.

    Takes a free sheet on the first call. `lang` picks the wording of the questions; English where there is none.
    """
    rater = _rater(session, rater_id, now)
    sheet = worksheets.sheet_of(session, rater)
    _working(session, rater_id, now, logs=sheet is None)
    sheet = sheet or worksheets.take(session, rater, now)
    assignment = worksheets.current(sheet)
    if assignment is None:
        return None
    assignment.served_at = assignment.served_at or now
    worksheets.hold(assignment, rater.study.spec["voting"].get("hold_hours", HOLD_HOURS), now)
    return presenting.present(assignment, sheet, rater, lang)


def reveal(session: Session, rater_id: int, assignment_id: int, now: datetime) -> None:
    """Shows the prompt of a comparison that hid it. Again is harmless.

    Raises:
        VotingError: a question that needs no prompt is not answered yet, or the comparison is not the one being asked.
    """
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    if not presenting.hides(assignment):
        return
    _require_current(assignment)
    answered = {vote.question for vote in assignment.votes}
    if presenting.without_prompt(rater.study) - answered and not assignment.reports:
        raise VotingError("Please answer the first question before you read the text.")
    assignment.revealed_at = now
    session.flush()


def comment(session: Session, rater_id: int, assignment_id: int, text: str, now: datetime) -> None:
    """Stores what a rater writes about the comparison that they are at; an empty text removes it."""
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    _require_current(assignment)
    said = text.strip()[:COMMENT_LENGTH]
    if not said:
        assignment.comment = None
    elif assignment.comment is None:
        assignment.comment = CommentRow(text=said, at=now)
    else:
        assignment.comment.text, assignment.comment.at = said, now
    session.flush()


def cast(
    session: Session,
    rater_id: int,
    assignment_id: int,
    question: str,
    choice: str,
    response_ms: int,
    now: datetime,
    app_version: str,
    simulated: bool = False,
) -> None:
    """Stores an answer, or changes it while the comparison is unfinished. The same answer twice is one.

    Args:
        choice: left, tie, right or neither.
        response_ms: milliseconds from the reveal to the answer, as the browser timed them; counted up to a day.

    Raises:
        VotingError: another rater's comparison, not the one being asked, an unknown answer, or a closed study.
    """
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    if question not in assignment.sheet.questions or choice not in CHOICES:
        raise VotingError("This answer is not one of those offered.", hint="Please load the page again.")
    vote = next((vote for vote in assignment.votes if vote.question == question), None)
    if vote is not None and vote.choice == choice:
        return
    _require_current(assignment)
    presenting.require_in_order(assignment, rater.study, question)
    if vote is None:
        assignment.votes.append(vote := VoteRow(question=question))
    vote.choice, vote.response_ms, vote.cast_at = choice, min(max(int(response_ms), 0), DAY_MS), now
    vote.app_version, vote.simulated = app_version, simulated or rater.simulated
    session.flush()


def finish(session: Session, rater_id: int, assignment_id: int, now: datetime) -> None:
    """ "Next": all questions are answered, or an image was reported. Again is harmless.

    Raises:
        VotingError: an answer is missing, or the comparison is not the one being asked.
    """
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    if assignment.finished_at is not None:
        return
    _require_current(assignment)
    missing = set(assignment.sheet.questions) - {vote.question for vote in assignment.votes}
    if missing and not assignment.reports:
        raise VotingError("Please answer every question first.")
    if assignment.revealed_at is None and presenting.hides(assignment):
        assignment.revealed_at = now  # reported before the prompt was shown
    assignment.finished_at = now
    session.flush()


def undo(session: Session, rater_id: int, now: datetime) -> bool:
    """Opens the comparison finished last again, as long as nothing was answered on the next; says whether it did."""
    rater = _working(session, rater_id, now, logs=True)
    sheet = worksheets.sheet_of(session, rater)
    last = worksheets.last_finished(sheet) if sheet else None
    if sheet is None or last is None or not pool.untouched(worksheets.current(sheet)):
        return False
    last.finished_at = None
    events.append(session, rater.study_id, "undo", now, detail={"assignment": last.id})
    return True


def report_image(session: Session, rater_id: int, assignment_id: int, side: str, reason: str, now: datetime) -> None:
    """Notes that an image should not be shown; the comparison may then be finished without answers.

    Args:
        side: left or right.
    """
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    if side not in ("left", "right"):
        raise VotingError("This answer is not one of those offered.", hint="Please load the page again.")
    if any(report.side == side for report in assignment.reports):
        return
    _require_current(assignment)
    assignment.reports.append(ReportRow(side=side, reason=reason[:REASON_LENGTH], at=now))
    session.flush()


def _rater(session: Session, rater_id: int, now: datetime) -> RaterRow:
    """The rater, held for this transaction: two tabs of one person wait for each other."""
    rater = session.get(RaterRow, rater_id, with_for_update=True)
    if rater is None:
        raise VotingError("This link is not known.", hint="Please copy the whole link from your invitation.")
    invites.require_valid(rater, now)
    return rater


def _working(session: Session, rater_id: int, now: datetime, *, logs: bool = False) -> RaterRow:
    """A rater who may vote now. The study is held too, so that closing waits for votes that are under way."""
    rater = _rater(session, rater_id, now)
    if rater.consented_at is None:
        raise VotingError("Please agree to take part first.")
    study = session.scalars(select(StudyRow).where(StudyRow.id == rater.study_id).with_for_update(read=not logs)).one()
    if study.closed_at is not None:
        raise VotingError("This study is closed; no more answers are taken.", hint="Thank you for your time.")
    return rater


def _assignment(session: Session, rater: RaterRow, assignment_id: int) -> AssignmentRow:
    assignment = session.get(AssignmentRow, assignment_id)
    if assignment is None or assignment.sheet.rater_id != rater.id:
        raise VotingError("This comparison is not yours.", hint="Please load the page again.")
    return assignment


def _require_current(assignment: AssignmentRow) -> None:
    current = worksheets.current(assignment.sheet)
    if current is not assignment or assignment.served_at is None:
        raise VotingError("This comparison is not the one being asked.", hint="Please load the page again.")


def _state(session: Session, rater: RaterRow, now: datetime) -> RaterState:
    study, sheet = rater.study, worksheets.sheet_of(session, rater)
    counted = [item for item in sheet.assignments if item.comparison.kind != "warmup"] if sheet else []
    spec, current = study.spec, worksheets.current(sheet) if sheet else None
    total = len(counted) if sheet else spec.get("items_per_rater", spec["comparisons_per_rater"])
    done = sum(item.finished_at is not None for item in counted)
    finished = sheet is not None and current is None
    session_minutes = spec["voting"].get("session_minutes", SESSION_MINUTES)
    return RaterState(
        rater_id=rater.id, study_id=study.id, title=spec["title"], consented=rater.consented_at is not None, done=done,
        total=total, finished=finished, completion_code=rater.completion_code if finished else None,
        languages=tuple(rater.languages), miniature=spec["miniature"], closed=study.closed_at is not None,
        estimated_minutes=round((total - done) * _pace(sheet, len(spec["questions"])) / 60, 1),
        practising=current is not None and current.comparison.kind == "warmup",
        break_due=sheet is not None and not finished and worksheets.spell_minutes(sheet, now) >= session_minutes,
        session_minutes=session_minutes, mode=study.mode,
        return_url=rater.return_url.replace("{code}", rater.completion_code) if finished and rater.return_url else None,
    )  # fmt: skip


def _pace(sheet: SheetRow | None, questions: int) -> float:
    """Seconds for a comparison: the rater's own median from the third on."""
    taken = [
        min((item.finished_at - item.served_at).total_seconds(), PACE_CAP)
        for item in (sheet.assignments if sheet else ())
        if item.finished_at and item.served_at
    ]
    return max(0.0, median(taken)) if len(taken) >= 3 else SECONDS_PER_QUESTION * questions
