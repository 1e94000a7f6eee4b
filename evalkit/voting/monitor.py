"""How a study is going: progress, sides, speed, invites. Never an outcome by arm, so nobody can see who leads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.spec.design import Exclusions
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.store.tables import (
    AssignmentRow,
    ComparisonRow,
    ImageRow,
    PromptRow,
    RaterRow,
    ReportRow,
    SheetRow,
    StudyRow,
    VoteRow,
)
from evalkit.voting import amending, conduct, pool
from evalkit.voting.conduct import Conduct


@dataclass(frozen=True)
class Handling:
    """How votes were given: for which side, and how quickly (milliseconds from reveal to answer, the median).

    `left_share`: of the votes for a side, those for the left one; its interval takes votes as independent.
    """

    left: int
    right: int
    other: int
    left_share: Estimate
    median_ms: float | None
    last_vote_at: datetime | None


@dataclass(frozen=True)
class RaterProgress:
    """One rater. `state`: invited, consented, voting, finished, expired, revoked or erased.

    `done` and `total` count all that is shown, `total` with what went to others; `conduct`: golds, repeats and speed;
    `excluded_because`: the frozen rules that exclude the rater as things stand, in words.
    """

    rater_id: int
    code: str
    simulated: bool
    state: str
    done: int
    total: int
    handling: Handling
    conduct: Conduct = field(default_factory=Conduct)
    excluded_because: str = ""


@dataclass(frozen=True)
class ComparisonProgress:
    """One comparison: the people's sheets that have it, those that have finished it, reports of its images."""

    comparison_id: int
    prompt_key: str
    lang: str
    planned: int
    finished: int
    reports: int


@dataclass(frozen=True)
class Progress:
    """A whole study. Plan and progress count people's sheets; a simulated panel works on sheets of its own.

    `planned`, `finished` and `comparisons` are those of the comparisons that count: no golds, repeats or warm-ups.
    """

    study_id: int
    slug: str
    study_sha: str
    miniature: bool
    opened_at: datetime
    closed_at: datetime | None
    planned: int
    finished: int
    sheets: int
    sheets_taken: int
    votes: int
    simulated_votes: int
    handling: Handling
    raters: tuple[RaterProgress, ...]
    comparisons: tuple[ComparisonProgress, ...]
    mode: str = "study"


@dataclass(frozen=True)
class _Vote:
    rater_id: int | None
    choice: str
    response_ms: int
    cast_at: datetime
    simulated: bool


def studies(session: Session) -> list[StudyRow]:
    """The studies of the database, newest first."""
    return list(session.scalars(select(StudyRow).order_by(StudyRow.opened_at.desc(), StudyRow.id.desc())))


def progress(session: Session, study_id: int, now: datetime) -> Progress:
    """How the study is going at `now`. `handling` is that of people, or of the simulated panel while no person voted.

    Raises:
        VotingError: no such study.
    """
    study = _study(session, study_id)
    votes = _votes(session, study_id)
    simulated = sum(vote.simulated for vote in votes)
    comparisons = _comparisons(session, study_id)
    taken = select(func.count(SheetRow.id), func.count(SheetRow.rater_id))
    sheets = session.execute(taken.where(SheetRow.study_id == study_id, SheetRow.simulated.is_(False))).one()
    return Progress(
        study_id=study_id,
        slug=study.slug,
        study_sha=study.study_sha,
        miniature=study.spec["miniature"],
        opened_at=study.opened_at,
        closed_at=study.closed_at,
        planned=sum(comparison.planned for comparison in comparisons),
        finished=sum(comparison.finished for comparison in comparisons),
        sheets=sheets[0],
        sheets_taken=sheets[1],
        votes=len(votes),
        simulated_votes=simulated,
        handling=_handling([vote for vote in votes if not vote.simulated or simulated == len(votes)]),
        raters=_raters(session, study, votes, now),
        comparisons=comparisons,
        mode=study.mode,
    )


_COUNTED = (ComparisonRow.kind == "vote", AssignmentRow.occasion == 1)


def _study(session: Session, study_id: int) -> StudyRow:
    study = session.get(StudyRow, study_id)
    if study is None:
        raise VotingError("no such study in the database")
    return study


def _votes(session: Session, study_id: int) -> list[_Vote]:
    query = (
        select(SheetRow.rater_id, VoteRow.choice, VoteRow.response_ms, VoteRow.cast_at, VoteRow.simulated)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .where(SheetRow.study_id == study_id, *_COUNTED)
    )
    return [_Vote(*row) for row in session.execute(query)]


def _handling(votes: Sequence[_Vote]) -> Handling:
    left, right = (sum(vote.choice == side for vote in votes) for side in ("left", "right"))
    return Handling(
        left=left,
        right=right,
        other=len(votes) - left - right,
        left_share=wilson(left, left + right),
        median_ms=median(vote.response_ms for vote in votes) if votes else None,
        last_vote_at=max((vote.cast_at for vote in votes), default=None),
    )


def _raters(session: Session, study: StudyRow, votes: Sequence[_Vote], now: datetime) -> tuple[RaterProgress, ...]:
    counts = (
        select(SheetRow.rater_id, SheetRow.id, func.count(AssignmentRow.finished_at), func.count(AssignmentRow.id))
        .outerjoin(AssignmentRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study.id, SheetRow.rater_id.is_not(None))
        .group_by(SheetRow.rater_id, SheetRow.id)
    )
    gone = pool.passed_on(session, study.id)
    work = {rater: (done, total + gone.get(sheet, 0)) for rater, sheet, done, total in session.execute(counts)}
    cast: dict[int | None, list[_Vote]] = defaultdict(list)
    for vote in votes:
        cast[vote.rater_id].append(vote)
    did, rules = conduct.conduct(session, study.id), amending.rules(session, study)
    found = session.scalars(select(RaterRow).where(RaterRow.study_id == study.id).order_by(RaterRow.id))
    return tuple(
        _rater(rater, work.get(rater.id, (0, 0)), cast[rater.id], did.get(rater.id), rules, now) for rater in found
    )


def _rater(
    rater: RaterRow,
    work: tuple[int, int],
    votes: Sequence[_Vote],
    did: Conduct | None,
    rules: Exclusions,
    now: datetime,
) -> RaterProgress:
    return RaterProgress(
        rater.id, rater.code, rater.simulated, _state(rater, *work, now), *work, _handling(votes),
        did or Conduct(), conduct.excluded_because(did, rules) if did else "",
    )  # fmt: skip


def _state(rater: RaterRow, done: int, total: int, now: datetime) -> str:
    states = {
        "erased": rater.erased_at is not None,
        "finished": 0 < total == done,
        "revoked": rater.revoked_at is not None,
        "expired": rater.expires_at <= now,
        "voting": total > 0,
        "consented": rater.consented_at is not None,
    }
    return next((name for name, holds in states.items() if holds), "invited")


def _comparisons(session: Session, study_id: int) -> tuple[ComparisonProgress, ...]:
    counts = (
        select(ComparisonRow.id, PromptRow.key, PromptRow.lang)
        .add_columns(func.count(AssignmentRow.id), func.count(AssignmentRow.finished_at))
        .join(ImageRow, ComparisonRow.image_a_id == ImageRow.id)
        .join(PromptRow, ImageRow.prompt_id == PromptRow.id)
        .join(AssignmentRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(ComparisonRow.study_id == study_id, SheetRow.simulated.is_(False), *_COUNTED)
        .group_by(ComparisonRow.id, PromptRow.key, PromptRow.lang)
        .order_by(PromptRow.key, PromptRow.lang, ComparisonRow.id)
    )
    reports = _reports(session, study_id)
    return tuple(
        ComparisonProgress(number, prompt_key, lang, planned, finished, reports.get(number, 0))
        for number, prompt_key, lang, planned, finished in session.execute(counts)
    )


def _reports(session: Session, study_id: int) -> dict[int, int]:
    query = (
        select(AssignmentRow.comparison_id, func.count(ReportRow.id))
        .join(ReportRow, ReportRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id)
        .group_by(AssignmentRow.comparison_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
