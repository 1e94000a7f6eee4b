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

from sqlalchemy.orm import Session, joinedload

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import (
    CHOICES,
    AssignmentRow,
    CommentRow,
    ComparisonRow,
    ImageRow,
    RaterRow,
    ReportRow,
    StudyRow,
    VoteRow,
)
from evalkit.voting import events, invites, pool, presenting, privacy, worksheets
from evalkit.voting.presenting import Presented as Presented
from evalkit.voting.presenting import PresentedQuestion as PresentedQuestion

SECONDS_PER_QUESTION = 10.0  # the first estimate of the time left, until the rater has a pace
PACE_CAP = 120.0  # seconds; a longer comparison was a pause
DAY_MS = 86_400_000
REASON_LENGTH = 500
COMMENT_LENGTH = 2000
HOLD_HOURS, SESSION_MINUTES = 48.0, 30  # of studies that were frozen before they could say

ANSWERED = (joinedload(AssignmentRow.sheet), joinedload(AssignmentRow.votes), joinedload(AssignmentRow.reports))
_PAIR = joinedload(AssignmentRow.comparison)
WHOLE = (
    *ANSWERED,
    joinedload(AssignmentRow.comment),
    _PAIR.joinedload(ComparisonRow.image_a).joinedload(ImageRow.prompt),
    _PAIR.joinedload(ComparisonRow.image_b).joinedload(ImageRow.prompt),
)
"""What a request needs of an assignment, in one query"""


@dataclass(frozen=True)
class RaterState:
    """Where a rater stands. `languages` are those that the rater named.

    `total` and `done` count what is shown after practice, golds and repeats included: nobody can tell those apart.
    `break_due`: `session_minutes` of work without a rest. `return_url`: where a recruiting platform wants its people
    back, once they are through. `passed_on`: so many items went to others while the rater was away, who is
    through and never `finished`. `mode`: study, pilot or preview. `warns`: some of the study's images may disturb.
    `drops_answers`: of a rater who asks for it, the answers are deleted too; asked only before consent.
    `covers`: the rater wants every pair hidden until they ask to see it.
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
    passed_on: int = 0
    drops_answers: bool = False
    warns: bool = False
    covers: bool = False


def enter(session: Session, token: str, now: datetime) -> RaterState:
    """The state of the rater whom an invite's token belongs to.

    Raises:
        VotingError: the token is unknown, expired or withdrawn, in words for the rater.
    """
    rater = invites.find(session, token, now)
    sheet = worksheets.sheet_of(session, rater)
    return _state(session, rater, worksheets.work(session, sheet.id) if sheet else worksheets.Work(), now)


def consent(
    session: Session,
    rater_id: int,
    version: str,
    now: datetime,
    languages: Sequence[str] = (),
    background: Mapping[str, Any] | None = None,
    viewing: Mapping[str, Any] | None = None,
) -> None:
    """Stores the consent, and what the rater chose to tell. The first consent's time stays.

    `languages`: that of the page. An invitation that names languages goes before: who was invited to read Hindi reads
    Hindi, whatever language the page could offer.
    """
    rater = _rater(session, rater_id, now)
    rater.consented_at = rater.consented_at or now
    rater.consent_version = version
    rater.languages = rater.languages or list(languages)
    rater.background = {**rater.background, **(background or {})}
    rater.viewing = {**rater.viewing, **(viewing or {})}


def next_comparison(session: Session, rater_id: int, now: datetime, lang: str = "en") -> Presented | None:
    """The comparison that the rater is at, the same until it is finished; None once all are done.

    Takes a free sheet on the first call. `lang` picks the wording of the questions; English where there is none.
    """
    rater = _rater(session, rater_id, now)
    sheet = worksheets.sheet_of(session, rater)
    _require_open(session, rater, logs=sheet is None)
    sheet = sheet or worksheets.take(session, rater, now)
    return _shown(session, rater, worksheets.work(session, sheet.id), now, lang)


def whereabouts(
    session: Session, rater_id: int, now: datetime, lang: str = "en"
) -> tuple[RaterState, Presented | None]:
    """Where a rater who has a sheet stands, and the comparison that they are at; None once they are through."""
    rater = _rater(session, rater_id, now)
    sheet = worksheets.sheet_of(session, rater)
    work = worksheets.work(session, sheet.id) if sheet else worksheets.Work()
    state = _state(session, rater, work, now)
    return state, None if state.closed else _shown(session, rater, work, now, lang)


def _shown(session: Session, rater: RaterRow, work: worksheets.Work, now: datetime, lang: str) -> Presented | None:
    if work.current is None:
        return None
    assignment = session.get_one(AssignmentRow, work.current.id, options=WHOLE)
    worksheets.hold(assignment, rater.study.spec["voting"].get("hold_hours", HOLD_HOURS), now)
    assignment.served_at = assignment.served_at or now
    return presenting.present(assignment, work, rater, lang)


def reveal(session: Session, rater_id: int, assignment_id: int, now: datetime) -> None:
    """Shows the prompt of a comparison that hid it. Again is harmless.

    Raises:
        VotingError: a question that needs no prompt is not answered yet, or the comparison is not the one being asked.
    """
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    if not presenting.hides(assignment):
        return
    _require_current(session, assignment)
    answered = {vote.question for vote in assignment.votes}
    if presenting.without_prompt(rater.study) - answered and not assignment.reports:
        raise VotingError("Please answer the first question before you read the text.")
    assignment.revealed_at = now
    session.flush()


def comment(session: Session, rater_id: int, assignment_id: int, text: str, now: datetime) -> None:
    """Stores what a rater writes about the comparison that they are at; an empty text removes it."""
    rater = _working(session, rater_id, now)
    assignment = _assignment(session, rater, assignment_id)
    _require_current(session, assignment)
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
    _require_current(session, assignment)
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
    work = _require_current(session, assignment)
    missing = set(assignment.sheet.questions) - {vote.question for vote in assignment.votes}
    if missing and not assignment.reports:
        raise VotingError("Please answer every question first.")
    if assignment.revealed_at is None and presenting.hides(assignment):
        assignment.revealed_at = now  # reported before the prompt was shown
    assignment.finished_at = now
    session.flush()
    worksheets.hand_on(session, assignment, work)


def undo(session: Session, rater_id: int, now: datetime) -> bool:
    """Opens the comparison finished last again, as long as nothing was answered on the next; says whether it did."""
    rater = _working(session, rater_id, now, logs=True)
    sheet = worksheets.sheet_of(session, rater)
    work = worksheets.work(session, sheet.id) if sheet else worksheets.Work()
    last, current = work.last_finished, work.current
    if last is None or (current and not pool.untouched(session.get(AssignmentRow, current.id))):
        return False
    session.get_one(AssignmentRow, last.id).finished_at = None
    session.flush()
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
    _require_current(session, assignment)
    assignment.reports.append(ReportRow(side=side, reason=reason[:REASON_LENGTH], at=now))
    session.flush()


def _rater(session: Session, rater_id: int, now: datetime) -> RaterRow:
    """The rater, held for this transaction: two tabs of one person wait for each other."""
    rater = db.held(session, RaterRow, rater_id)
    if rater is None:
        raise VotingError("This link is not known.", hint="Please copy the whole link from your invitation.")
    invites.require_valid(rater, now)
    return rater


def _working(session: Session, rater_id: int, now: datetime, *, logs: bool = False) -> RaterRow:
    """A rater who may vote now."""
    rater = _rater(session, rater_id, now)
    _require_open(session, rater, logs=logs)
    return rater


def _require_open(session: Session, rater: RaterRow, *, logs: bool) -> None:
    """The study is held too, so that closing waits for votes that are under way."""
    if rater.consented_at is None:
        raise VotingError("Please agree to take part first.")
    study = db.held(session, StudyRow, rater.study_id, share=not logs)
    if study is None or study.closed_at is not None:
        raise VotingError("This study is closed; no more answers are taken.", hint="Thank you for your time.")


def _assignment(session: Session, rater: RaterRow, assignment_id: int) -> AssignmentRow:
    assignment = session.get(AssignmentRow, assignment_id, options=ANSWERED)
    if assignment is None or assignment.sheet.rater_id != rater.id:
        raise VotingError("This comparison is not yours.", hint="Please load the page again.")
    return assignment


def _require_current(session: Session, assignment: AssignmentRow) -> worksheets.Work:
    work = worksheets.work(session, assignment.sheet_id)
    if work.current is None or work.current.id != assignment.id or assignment.served_at is None:
        raise VotingError("This comparison is not the one being asked.", hint="Please load the page again.")
    return work


def _state(session: Session, rater: RaterRow, work: worksheets.Work, now: datetime) -> RaterState:
    study, spec, current = rater.study, rater.study.spec, work.current
    counted, gone = work.like(practice=False), _passed_on(session, rater, work)
    total = len(counted) + gone if work.places else spec.get("items_per_rater", spec["comparisons_per_rater"])
    done = sum(place.finished_at is not None for place in counted)
    finished = bool(work.places) and current is None and not gone
    session_minutes = spec["voting"].get("session_minutes", SESSION_MINUTES)
    return RaterState(
        rater_id=rater.id, study_id=study.id, title=spec["title"], consented=rater.consented_at is not None, done=done,
        total=total, finished=finished, completion_code=rater.completion_code if finished else None,
        languages=tuple(rater.languages), miniature=spec["miniature"], closed=study.closed_at is not None,
        estimated_minutes=round((total - done) * _pace(work, len(spec["questions"])) / 60, 1),
        practising=current is not None and current.kind == "warmup",
        break_due=not finished and work.spell_minutes(now) >= session_minutes,
        session_minutes=session_minutes, mode=study.mode,
        passed_on=gone, drops_answers=rater.consented_at is None and privacy.drops_answers(session, study),
        warns=bool(spec.get("warned")), covers=bool(rater.viewing.get("covers")),
        return_url=rater.return_url.replace("{code}", rater.completion_code) if finished and rater.return_url else None,
    )  # fmt: skip


def _passed_on(session: Session, rater: RaterRow, work: worksheets.Work) -> int:
    """How much of what was drawn for a rater went to others; asked of the log only where nothing is left."""
    sheet = worksheets.sheet_of(session, rater) if work.current is None else None
    return pool.passed_on(session, rater.study_id).get(sheet.id, 0) if sheet else 0


def _pace(work: worksheets.Work, questions: int) -> float:
    """Seconds for a comparison: the rater's own median from the third on."""
    taken = [
        min((place.finished_at - place.served_at).total_seconds(), PACE_CAP)
        for place in work.places
        if place.finished_at and place.served_at
    ]
    return max(0.0, median(taken)) if len(taken) >= 3 else SECONDS_PER_QUESTION * questions
