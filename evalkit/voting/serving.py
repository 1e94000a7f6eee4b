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
from evalkit.store.tables import CHOICES, AssignmentRow, RaterRow, ReportRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import events, invites, worksheets

SECONDS_PER_QUESTION = 10.0  # the first estimate of the time left, until the rater has a pace
PACE_CAP = 120.0  # seconds; a longer comparison was a pause
DAY_MS = 86_400_000
REASON_LENGTH = 500


@dataclass(frozen=True)
class RaterState:
    """Where a rater stands. `languages` are those that the rater named; `total` counts comparisons."""

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


@dataclass(frozen=True)
class PresentedQuestion:
    """A question in the rater's language; `answers`: left, on par, right, neither."""

    name: str
    text: str
    answers: tuple[str, str, str, str]


@dataclass(frozen=True)
class Presented:
    """One comparison as a rater sees it; `left` and `right` are opaque image keys, `answers` question -> choice."""

    assignment_id: int
    prompt: str
    lang: str
    left: str
    right: str
    questions: tuple[PresentedQuestion, ...]
    answers: dict[str, str]
    position: int
    total: int
    can_undo: bool


def enter(session: Session, token: str, now: datetime) -> RaterState:
    """The state of the rater whom an invite's token belongs to.

    Raises:
        VotingError: the token is unknown, expired or withdrawn, in words for the rater.
    """
    return _state(session, invites.find(session, token, now))


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
    rater = _working(session, rater_id, now)
    sheet = worksheets.sheet_of(session, rater) or worksheets.take(session, rater, now)
    assignment = worksheets.current(sheet)
    if assignment is None:
        return None
    assignment.served_at = assignment.served_at or now
    return _presented(assignment, sheet, rater.study, lang)


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
    assignment.finished_at = now
    session.flush()


def undo(session: Session, rater_id: int, now: datetime) -> bool:
    """Opens the comparison finished last again, as long as nothing was answered on the next; says whether it did."""
    rater = _working(session, rater_id, now, logs=True)
    sheet = worksheets.sheet_of(session, rater)
    last = worksheets.last_finished(sheet) if sheet else None
    if sheet is None or last is None or not worksheets.untouched(worksheets.current(sheet)):
        return False
    last.finished_at = None
    events.append(session, rater.study_id, "undo", now, actor=rater.code, detail={"assignment": last.id})
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


def _state(session: Session, rater: RaterRow) -> RaterState:
    study, sheet = rater.study, worksheets.sheet_of(session, rater)
    total = len(sheet.assignments) if sheet else study.spec["comparisons_per_rater"]
    done = sum(item.finished_at is not None for item in sheet.assignments) if sheet else 0
    finished = sheet is not None and done == total
    seconds = (total - done) * _pace(sheet, len(study.spec["questions"]))
    return RaterState(
        rater.id, study.id, study.spec["title"], rater.consented_at is not None, done, total, finished,
        rater.completion_code if finished else None, tuple(rater.languages), study.spec["miniature"],
        study.closed_at is not None, round(seconds / 60, 1),
    )  # fmt: skip


def _pace(sheet: SheetRow | None, questions: int) -> float:
    """Seconds for a comparison: the rater's own median from the third on."""
    taken = [
        min((item.finished_at - item.served_at).total_seconds(), PACE_CAP)
        for item in (sheet.assignments if sheet else ())
        if item.finished_at and item.served_at
    ]
    return median(taken) if len(taken) >= 3 else SECONDS_PER_QUESTION * questions


def _presented(assignment: AssignmentRow, sheet: SheetRow, study: StudyRow, lang: str) -> Presented:
    pair = assignment.comparison
    left, right = (pair.image_a, pair.image_b) if assignment.a_is_left else (pair.image_b, pair.image_a)
    wording = {question["name"]: question for question in study.spec["questions"]}
    last = worksheets.last_finished(sheet)
    return Presented(
        assignment_id=assignment.id,
        prompt=left.prompt.text,
        lang=left.prompt.lang,
        left=left.key,
        right=right.key,
        questions=tuple(_question(wording[name], lang) for name in sheet.questions),
        answers={vote.question: vote.choice for vote in assignment.votes},
        position=sheet.assignments.index(assignment) + 1,
        total=len(sheet.assignments),
        can_undo=last is not None and worksheets.untouched(assignment),
    )


def _question(question: Mapping[str, Any], lang: str) -> PresentedQuestion:
    spoken = next(
        (key for key in (lang, lang.split("-")[0]) if key in question["text"] and key in question["answers"]), "en"
    )
    left, tie, right, neither = question["answers"][spoken]
    return PresentedQuestion(question["name"], question["text"][spoken], (left, tie, right, neither))
