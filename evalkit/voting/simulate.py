"""A simulated panel: programs that vote through the very functions that the raters' app calls.

What it prefers is planted: a quality that the caller names, never a score that a report shows. All its votes are marked
simulated, and it works on sheets of its own, so that none of a person's is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import log
from random import Random

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, aliased

from evalkit import __version__
from evalkit.errors import VotingError
from evalkit.outcome import Progress, silent
from evalkit.spec.identity import digest
from evalkit.store import db
from evalkit.store.tables import ComparisonRow, ImageRow, PromptRow, RaterRow, StudyRow
from evalkit.voting import events, freezing, invites, serving
from evalkit.voting.drawing import Pair, draw_sheets
from evalkit.voting.invites import Invite
from evalkit.voting.serving import Presented

Prefer = Callable[[str, str], float]
"""prefer(opaque image key, question): the planted quality in logits; one logit more is chosen 73 % of the time."""

CONSENT_VERSION = "simulated"
VALID_DAYS = 30.0


@dataclass(frozen=True)
class Temper:
    """How simulated raters differ: standard deviations and thresholds in logits, time in seconds."""

    sharpness: float = 0.25
    """spread of how clearly a rater sees a difference (log scale)"""
    taste: float = 0.4
    """spread of a rater's own liking of single images"""
    side: float = 0.15
    """spread of the leaning to the left side"""
    tie: float = 0.5
    """a difference smaller than this is "on par" """
    neither: float = -3.0
    """where the better image stays below this, both fail"""
    seconds: float = 6.0
    """median time for an answer"""


@dataclass(frozen=True)
class Panelist:
    """One simulated rater."""

    number: int
    seed: int
    sharpness: float
    left: float
    tie: float
    seconds: float


def simulate(
    engine: Engine,
    study_id: int,
    prefer: Prefer,
    *,
    raters: int,
    seed: int,
    now: datetime,
    temper: Temper = Temper(),
    progress: Progress = silent,
) -> int:
    """Lets a panel of `raters` programs vote; gives the number of votes cast now.

    A panel that was interrupted goes on where it stopped; one that has finished casts nothing. All times stored are
    `now`: what is simulated is the response time.

    Raises:
        VotingError: the study is closed, or another panel has voted already.
    """
    with db.session(engine) as session:
        members = _panel(session, study_id, raters, seed, now)
    votes = 0
    for number, member in enumerate(members):
        panelist = _panelist(number, seed, temper)
        votes += _vote_through(engine, member, panelist, prefer, temper, now)
        progress("simulated raters", number + 1, len(members))
    return votes


def _panel(session: Session, study_id: int, raters: int, seed: int, now: datetime) -> list[int]:
    """The raters of the panel: those of an interrupted one, else new ones with sheets of their own."""
    wanted = {"raters": raters, "seed": seed}
    before = next((row.detail for row in events.lines(session, study_id) if row.what == "simulate"), None)
    if before is None:
        _add_sheets(session, study_id, raters, seed)
        made = invites.invite(session, study_id, count=raters, valid_days=VALID_DAYS, now=now, simulated=True)
        events.append(session, study_id, "simulate", now, detail=wanted)
        return [_arrive(session, invite, now) for invite in made]
    if before != wanted:
        said = f"{before['raters']} raters, seed {before['seed']}"
        raise VotingError(f"a simulated panel ({said}) has voted already", hint="a study takes one panel")
    panel = select(RaterRow.id).where(RaterRow.study_id == study_id, RaterRow.simulated.is_(True))
    return list(session.scalars(panel.order_by(RaterRow.id)))


def _add_sheets(session: Session, study_id: int, raters: int, seed: int) -> None:
    study = session.get(StudyRow, study_id)
    if study is None:
        raise VotingError("no such study in the database")
    pairs = _pairs(session, study_id)
    sheets = draw_sheets(
        list(pairs),
        sheets=raters,
        per_sheet=study.spec["comparisons_per_rater"],
        questions=study.spec["voting"]["questions"],
        seed=digest(["panel", seed, study.study_sha]),
    )
    freezing.add_sheets(session, study_id, sheets, pairs, simulated=True)


def _pairs(session: Session, study_id: int) -> dict[Pair, int]:
    """The frozen comparisons; their row number stands for the number of the image, which the database does not know."""
    first, second = aliased(ImageRow), aliased(ImageRow)
    query = (
        select(first.arm, second.arm, PromptRow.key, PromptRow.lang, ComparisonRow.id)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .join(PromptRow, first.prompt_id == PromptRow.id)
        .where(ComparisonRow.study_id == study_id)
    )
    return {Pair(a, b, key, lang, number): number for a, b, key, lang, number in session.execute(query)}


def _arrive(session: Session, invite: Invite, now: datetime) -> int:
    state = serving.enter(session, invite.token, now)
    serving.consent(session, state.rater_id, CONSENT_VERSION, now)
    return state.rater_id


def _panelist(number: int, seed: int, temper: Temper) -> Panelist:
    random = Random(digest(["panelist", seed, number]))
    return Panelist(
        number=number,
        seed=seed,
        sharpness=random.lognormvariate(0, temper.sharpness),
        left=random.gauss(0, temper.side),
        tie=temper.tie * random.lognormvariate(0, 0.3),
        seconds=temper.seconds * random.lognormvariate(0, 0.3),
    )


def _vote_through(
    engine: Engine, rater_id: int, panelist: Panelist, prefer: Prefer, temper: Temper, now: datetime
) -> int:
    """One rater from the first unfinished comparison to the last."""
    votes = 0
    while True:
        with db.session(engine) as session:
            shown = serving.next_comparison(session, rater_id, now)
            if shown is None:
                return votes
            for question in [question.name for question in shown.questions if question.name not in shown.answers]:
                random = Random(digest(["answer", panelist.seed, panelist.number, shown.left, shown.right, question]))
                choice = _choose(shown, question, panelist, prefer, temper, random)
                taken = round(1000 * panelist.seconds * random.lognormvariate(0, 0.5))
                serving.cast(session, rater_id, shown.assignment_id, question, choice, taken, now, __version__, True)
                votes += 1
            serving.finish(session, rater_id, shown.assignment_id, now)


def _choose(shown: Presented, question: str, panelist: Panelist, prefer: Prefer, temper: Temper, random: Random) -> str:
    """Left, tie, right or neither: a logistic choice with a threshold (Rao and Kupper 1967), and a floor for both."""
    left, right = (
        prefer(key, question) + _taste(panelist, key, question, temper.taste) for key in (shown.left, shown.right)
    )
    if max(left, right) + _logistic(random) < temper.neither:
        return "neither"
    difference = panelist.sharpness * (left - right) + panelist.left + _logistic(random)
    if abs(difference) < panelist.tie:
        return "tie"
    return "left" if difference > 0 else "right"


def _taste(panelist: Panelist, key: str, question: str, spread: float) -> float:
    return Random(digest(["taste", panelist.seed, panelist.number, key, question])).gauss(0, spread)


def _logistic(random: Random) -> float:
    share = min(max(random.random(), 1e-12), 1 - 1e-12)
    return log(share / (1 - share))
