"""What is planted in a simulated panel comes out: quality, side, lapses, fatigue, drop-out; at the served app too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from evalkit.stats.position import position_effect
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, RaterRow, SheetRow, VoteRow
from evalkit.voting import conduct, seals, serving, simulate, simulate_served
from evalkit.voting.panelists import Sight, Temper, answer, panelist
from evalkit.voting.simulate_served import Panel
from tests.voting.studies import NOW, freeze, write_study
from tests.voting.test_simulate import SYSTEMS, panel, table

EQUAL = dict.fromkeys(SYSTEMS, 0.0)


def answers(temper, tired=0.0, quality=(1.0, 0.0), n=800):
    """Choices of many raters on many pairs of given qualities, and their milliseconds."""
    keys = [(f"{pair}L", f"{pair}R") for pair in range(n)]

    def prefer(key, _):
        return quality[key.endswith("R")]

    people = [panelist(number, 7, temper) for number in range(n)]
    given = [
        answer(Sight(*pair, "aesthetics", tired=tired), one, prefer, temper)
        for pair, one in zip(keys, people, strict=True)
    ]
    return np.array([choice for choice, _ in given]), np.array([taken for _, taken in given])


def share(choices, which="left"):
    return float(np.mean(choices[np.isin(choices, ("left", "right"))] == which))


def test_ability_is_how_clearly_they_see():
    blind, median, sharp = (share(answers(Temper(ability=ability))[0]) for ability in (0.0, 1.0, 4.0))
    assert abs(blind - 0.5) < 0.06 and 0.6 < median < 0.85 and sharp > 0.9


def test_tiredness_takes_ability_and_time():
    fresh, tired = (answers(Temper(fatigue=2.0, ability=3.0), tired=tired) for tired in (0.0, 1.0))
    assert share(fresh[0]) > share(tired[0]) + 0.1
    assert np.median(tired[1]) == pytest.approx(np.exp(-2) * np.median(fresh[1]), rel=0.02)


def test_lapses_are_answers_without_a_look():
    choices, _ = answers(Temper(lapse=1.0), quality=(50.0, 0.0))
    assert all(0.15 < np.mean(choices == one) < 0.35 for one in ("left", "tie", "right", "neither"))
    assert share(answers(Temper(), quality=(50.0, 0.0))[0]) > 0.99


def test_ties_follow_their_threshold():
    few, many = (np.mean(answers(Temper(tie=tie), quality=(0.0, 0.0))[0] == "tie") for tie in (0.2, 2.0))
    assert few < 0.2 < 0.5 < many


def side_effect(trial):
    cast = table(trial)
    decisive = cast[cast["choice"].isin(["a", "b"])]
    left = (decisive["choice"] == "a") == (decisive["side_shown"] == "left")
    codes = [decisive[name].astype("category").cat.codes.to_numpy() for name in ("prompt_key", "rater")]
    return position_effect(left.to_numpy(), (decisive["side_shown"] == "left").to_numpy(), *codes)


@pytest.mark.parametrize(("bias", "seen"), [(1.2, True), (0.0, False)])
def test_a_planted_side_bias_is_visible_in_the_study_and_none_is_not(sqlite, checkout, settings, bias, seen):
    trial = freeze(sqlite, write_study(checkout, prompt_count=8, images=1, raters=2), settings)
    panel(trial, EQUAL, raters=10, temper=Temper(left=bias, side=0.05))
    found = side_effect(trial).left_if_equal
    assert (found.low > 0.5) is seen and (found.low <= 0.5 <= found.high) is not seen


def test_golds_catch_those_who_do_not_look(sqlite, checkout, settings):
    quality = {"golds": 4, "gold_kinds": ["noise"]}
    resolved = write_study(checkout, prompt_count=14, images=1, raters=2, sample=4, quality=quality)
    accuracy = {}
    for lapse in (0.0, 1.0):
        trial = freeze(sqlite, replace(resolved, sha=f"{int(lapse):064x}"), settings)
        temper = Temper(lapse=lapse, neither=-50)
        simulate.simulate(sqlite, trial.study_id, lambda *_: 0.0, raters=5, seed=1, now=NOW, temper=temper)
        with db.session(sqlite, reading=True) as session:
            did = conduct.conduct(session, trial.study_id).values()
        accuracy[lapse] = np.mean([one.golds_right / one.golds_answered for one in did])
    assert accuracy[0.0] > 0.9 and accuracy[1.0] < 0.5


def test_who_drops_out_leaves_a_sheet_that_returns_to_the_pool(sqlite_trial):
    trial = sqlite_trial
    votes = panel(trial, EQUAL, raters=6, temper=Temper(drop_out=1.0))
    with db.session(trial.engine, reading=True) as session:
        open_ = session.scalar(
            select(func.count())
            .where(AssignmentRow.finished_at.is_(None), SheetRow.simulated)
            .select_from(AssignmentRow)
            .join(SheetRow)
        )
    assert 6 * 2 <= votes < 6 * 16 and open_ > 6 * 8 - votes / 2 - 1
    again = panel(trial, EQUAL, raters=6, temper=Temper(drop_out=1.0))
    assert again == 0  # who has left does not come back
    late = NOW + timedelta(hours=49)
    newcomer = trial.arrive(simulated=True, now=late)[0]
    shown = trial.show(newcomer, now=late)
    assert shown is not None
    with db.session(trial.engine, reading=True) as session:
        moved = session.scalars(select(SheetRow).where(SheetRow.rater_id == newcomer)).one()
        assert moved.simulated and len(moved.assignments) < 8
        assert seals.verify(session, trial.study_id) == []
    person = trial.arrive(now=late)[0]  # a person takes a sheet of their own, never what a program left
    with db.session(trial.engine) as session:
        serving.next_comparison(session, person, late)
        assert not session.scalars(select(SheetRow).where(SheetRow.rater_id == person)).one().simulated


def test_a_panel_at_the_served_app_votes_as_the_same_panel_does_by_itself(tmp_path_factory):
    """Over the real websocket and POST route: every acknowledged vote is stored once, as it was meant, and marked."""
    from datetime import UTC, datetime

    from tests.app.conftest import new_settings
    from tests.app.serving import beside, open_trial, serve

    study = open_trial(new_settings(tmp_path_factory), images=1, raters=3, hide_prompt="half")
    temper = Temper(drop_out=0.3)
    with db.session(study.engine) as session:
        arrived = simulate.begin(session, study.study_id, 6, 3, datetime.now(UTC), temper)
        wrong = simulate.wrong_sides(session, study.study_id)
    members = [(token, panelist(number, 3, temper)) for number, (_, token) in enumerate(arrived)]
    with serve("rater", study.settings, tmp_path_factory.mktemp("served") / "log") as address:
        panel = Panel(members, lambda key, question: 0.0, temper, wrong, at_once=4)
        heard = beside(lambda: simulate_served.vote(address, panel))
    with db.session(study.engine, reading=True) as session:
        stored = {(vote.assignment_id, vote.question): vote.choice for vote in session.scalars(select(VoteRow))}
        assert session.scalars(select(VoteRow.simulated).distinct()).all() == [True]
        people = select(func.count()).where(SheetRow.simulated.is_(False), SheetRow.rater_id.is_not(None))
        assert session.scalar(people) == 0 and session.scalar(select(func.count(RaterRow.id))) == 6
    assert heard.votes == stored and len(heard.seconds) == len(stored) > 6 * 2
    by_itself = simulate.simulate(
        study.engine, study.study_id, lambda key, question: 0.0, raters=6, seed=3, now=datetime.now(UTC), temper=temper
    )
    assert by_itself == 0  # nothing was left undone
