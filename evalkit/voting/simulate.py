"""A simulated panel: programs that vote through the very functions that the raters' app calls.

What it prefers is planted: a quality that the caller names, never a score that a report shows. All its votes are marked
simulated, and it works on sheets of its own, so that none of a person's is used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from evalkit import __version__
from evalkit.errors import VotingError
from evalkit.outcome import Progress, silent
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, ComparisonRow, PromptRow, RaterRow, SheetRow, StudyRow
from evalkit.voting import events, invites, serving, stored
from evalkit.voting.invites import Invite
from evalkit.voting.panelists import FAIR, USUAL, Handicap, Panelist, Sight, answer, panelist
from evalkit.voting.panelists import Prefer as Prefer
from evalkit.voting.panelists import Temper as Temper
from evalkit.voting.presenting import Presented

CONSENT_VERSION = "simulated"
VALID_DAYS = 30.0


def simulate(
    engine: Engine,
    study_id: int,
    prefer: Prefer,
    *,
    raters: int,
    seed: int,
    now: datetime,
    temper: Temper = USUAL,
    progress: Progress = silent,
) -> int:
    """Lets a panel of `raters` programs vote; gives the number of votes cast now.

    A panel that was interrupted goes on where it stopped; one that has finished casts nothing. All times stored are
    `now`: what is simulated is the response time. Whoever drops out leaves the rest of its sheet as a person would.

    Raises:
        VotingError: the study is closed, or another panel has voted already.
    """
    with db.session(engine) as session:
        members = begun(session, study_id, raters, seed, temper)
        if members is None:
            members = [rater for rater, _ in begin(session, study_id, raters, seed, now, temper)]
        wrong = wrong_sides(session, study_id)
    votes = 0
    for number, member in enumerate(members):
        votes += _vote_through(engine, member, panelist(number, seed, temper), prefer, temper, wrong, now)
        progress("simulated raters", number + 1, len(members))
    return votes


def begun(session: Session, study_id: int, raters: int, seed: int, temper: Temper) -> list[int] | None:
    """The raters of the panel that a study has; None if it has none.

    Raises:
        VotingError: it is another panel than this one.
    """
    before = next((row.detail for row in events.lines(session, study_id) if row.what == "simulate"), None)
    if before is None:
        return None
    if before != _wanted(raters, seed, temper):
        said = f"{before['raters']} raters, seed {before['seed']}"
        raise VotingError(f"a simulated panel ({said}) has voted already", hint="a study takes one panel")
    panel = select(RaterRow.id).where(RaterRow.study_id == study_id, RaterRow.simulated.is_(True))
    return list(session.scalars(panel.order_by(RaterRow.id)))


def begin(
    session: Session, study_id: int, raters: int, seed: int, now: datetime, temper: Temper
) -> list[tuple[int, str]]:
    """New raters with sheets of their own, who have agreed to take part: (row, token)."""
    study = session.get(StudyRow, study_id)
    if study is None:
        raise VotingError("no such study in the database")
    stored.draw_more(session, study, raters, f"simulated panel, seed {seed}", now, simulated=True)
    made = invites.invite(session, study_id, count=raters, valid_days=VALID_DAYS, now=now, simulated=True)
    events.append(session, study_id, "simulate", now, detail=_wanted(raters, seed, temper))
    return [(_arrive(session, invite, now), invite.token) for invite in made]


def wrong_sides(session: Session, study_id: int) -> dict[int, tuple[Handicap, bool]]:
    """Of each gold on a panel's sheets: its handicap, and whether only questions that need the prompt show it."""
    query = (
        select(AssignmentRow.id, AssignmentRow.a_is_left, ComparisonRow.gold, ComparisonRow.gold_kind)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id, SheetRow.simulated.is_(True), ComparisonRow.gold.is_not(None))
    )
    return {
        number: ((1.0, 0.0) if (gold == "b") == a_is_left else (0.0, 1.0), kind != "noise")
        for number, a_is_left, gold, kind in session.execute(query)
    }


def handicap(wrong: Mapping[int, tuple[Handicap, bool]], assignment: int, needs_prompt: bool) -> Handicap:
    """How much worse the two sides look in this question; FAIR for all that is no gold."""
    by, only_with_prompt = wrong.get(assignment, (FAIR, False))
    return by if needs_prompt or not only_with_prompt else FAIR


def _wanted(raters: int, seed: int, temper: Temper) -> dict[str, Any]:
    """What makes a panel this one, as the log keeps it."""
    usual = asdict(USUAL)
    unusual = {name: value for name, value in asdict(temper).items() if value != usual[name]}
    return {"raters": raters, "seed": seed} | ({"temper": unusual} if unusual else {})


def _arrive(session: Session, invite: Invite, now: datetime) -> int:
    state = serving.enter(session, invite.token, now)
    serving.consent(session, state.rater_id, CONSENT_VERSION, now, _languages(session, state.study_id))
    return state.rater_id


def _languages(session: Session, study_id: int) -> list[str]:
    """A program reads every language of the study."""
    there = select(PromptRow.lang).where(PromptRow.study_id == study_id).distinct()
    return sorted(session.scalars(there))


def _vote_through(
    engine: Engine,
    rater_id: int,
    rater: Panelist,
    prefer: Prefer,
    temper: Temper,
    wrong: Mapping[int, tuple[Handicap, bool]],
    now: datetime,
) -> int:
    """One rater from the first unfinished comparison to the last, or until it leaves."""
    votes = 0
    while True:
        with db.session(engine) as session:
            shown = serving.next_comparison(session, rater_id, now)
            if shown is None or rater.is_gone(shown.position, shown.total):
                return votes
            votes += _answer_all(session, rater_id, shown, rater, prefer, temper, wrong, now)
            serving.finish(session, rater_id, shown.assignment_id, now)


def _answer_all(
    session: Session,
    rater_id: int,
    shown: Presented,
    rater: Panelist,
    prefer: Prefer,
    temper: Temper,
    wrong: Mapping[int, tuple[Handicap, bool]],
    now: datetime,
) -> int:
    """The questions of a comparison that are not answered yet; gives how many."""
    asked = [question for question in shown.questions if question.name not in shown.answers]
    for question in asked:
        if shown.prompt_hidden and question.needs_prompt:
            serving.reveal(session, rater_id, shown.assignment_id, now)
        worse = handicap(wrong, shown.assignment_id, question.needs_prompt)
        seen = Sight(shown.left, shown.right, question.name, worse, shown.position / max(1, shown.total))
        choice, taken = answer(seen, rater, prefer, temper)
        serving.cast(
            session, rater_id, shown.assignment_id, question.name, choice, taken, now, __version__, simulated=True
        )
    return len(asked)
