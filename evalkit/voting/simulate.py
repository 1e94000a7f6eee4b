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
from sqlalchemy.orm import Session

from evalkit import __version__
from evalkit.errors import VotingError
from evalkit.outcome import Progress, silent
from evalkit.spec.identity import digest
from evalkit.store import db
from evalkit.store.tables import CHOICES, AssignmentRow, PromptRow, RaterRow, StudyRow
from evalkit.voting import events, invites, serving, stored
from evalkit.voting.invites import Invite
from evalkit.voting.presenting import Presented, PresentedQuestion

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
    gold: float = 5.0
    """by how much the wrong image of a gold is worse, where it is wrong"""
    careless: float = 0.0
    """share of raters who answer at random, quickly, and without a look"""


@dataclass(frozen=True)
class Panelist:
    """One simulated rater."""

    number: int
    seed: int
    sharpness: float
    left: float
    tie: float
    seconds: float
    careless: bool = False


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
        study = session.get(StudyRow, study_id)
        if study is None:
            raise VotingError("no such study in the database")
        stored.draw_more(session, study, raters, f"simulated panel, seed {seed}", now, simulated=True)
        made = invites.invite(session, study_id, count=raters, valid_days=VALID_DAYS, now=now, simulated=True)
        events.append(session, study_id, "simulate", now, detail=wanted)
        return [_arrive(session, invite, now) for invite in made]
    if before != wanted:
        said = f"{before['raters']} raters, seed {before['seed']}"
        raise VotingError(f"a simulated panel ({said}) has voted already", hint="a study takes one panel")
    panel = select(RaterRow.id).where(RaterRow.study_id == study_id, RaterRow.simulated.is_(True))
    return list(session.scalars(panel.order_by(RaterRow.id)))


def _arrive(session: Session, invite: Invite, now: datetime) -> int:
    state = serving.enter(session, invite.token, now)
    serving.consent(session, state.rater_id, CONSENT_VERSION, now, _languages(session, state.study_id))
    return state.rater_id


def _languages(session: Session, study_id: int) -> list[str]:
    """A program reads every language of the study."""
    there = select(PromptRow.lang).where(PromptRow.study_id == study_id).distinct()
    return sorted(session.scalars(there))


def _panelist(number: int, seed: int, temper: Temper) -> Panelist:
    random = Random(digest(["panelist", seed, number]))
    return Panelist(
        number=number,
        seed=seed,
        sharpness=random.lognormvariate(0, temper.sharpness),
        left=random.gauss(0, temper.side),
        tie=temper.tie * random.lognormvariate(0, 0.3),
        seconds=temper.seconds * random.lognormvariate(0, 0.3),
        careless=random.random() < temper.careless,
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
            wrong = _wrong_side(session, shown)
            for asked in [question for question in shown.questions if question.name not in shown.answers]:
                if shown.prompt_hidden and asked.needs_prompt:
                    serving.reveal(session, rater_id, shown.assignment_id, now)
                handicap = wrong(asked)
                name = ["answer", panelist.seed, panelist.number, shown.left, shown.right, asked.name]
                choice, taken = _answer(shown, asked.name, panelist, prefer, temper, handicap, Random(digest(name)))
                serving.cast(session, rater_id, shown.assignment_id, asked.name, choice, taken, now, __version__, True)
                votes += 1
            serving.finish(session, rater_id, shown.assignment_id, now)


Handicap = tuple[float, float]
"""How much worse left and right look than their system's quality says, as shares of `Temper.gold`"""


def _wrong_side(session: Session, shown: Presented) -> Callable[[PresentedQuestion], Handicap]:
    """For a gold: which side is wrong, by question; else neither is."""
    assignment = session.get_one(AssignmentRow, shown.assignment_id)
    pair = assignment.comparison
    wrong_is_left = (pair.gold == "b") == assignment.a_is_left

    def handicap(question: PresentedQuestion) -> Handicap:
        if pair.gold is None or not (pair.gold_kind == "noise" or question.needs_prompt):
            return 0.0, 0.0
        return (1.0, 0.0) if wrong_is_left else (0.0, 1.0)

    return handicap


def _answer(
    shown: Presented,
    question: str,
    panelist: Panelist,
    prefer: Prefer,
    temper: Temper,
    handicap: Handicap,
    random: Random,
) -> tuple[str, int]:
    """A choice, and the milliseconds that it took."""
    if panelist.careless:
        return random.choice(CHOICES), round(300 * random.lognormvariate(0, 0.5))
    choice = _choose(shown, question, panelist, prefer, temper, handicap, random)
    return choice, round(1000 * panelist.seconds * random.lognormvariate(0, 0.5))


def _choose(
    shown: Presented,
    question: str,
    panelist: Panelist,
    prefer: Prefer,
    temper: Temper,
    handicap: Handicap,
    random: Random,
) -> str:
    """Left, tie, right or neither: a logistic choice with a threshold (Rao and Kupper 1967), and a floor for both."""
    left, right = (
        prefer(key, question) + _taste(panelist, key, question, temper.taste) - temper.gold * worse
        for key, worse in zip((shown.left, shown.right), handicap, strict=True)
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
