"""The outbox: each action is done once however often it arrives, and is acknowledged only when it is committed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from app import actions
from app.actions import settle
from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, ReportRow, SheetRow, VoteRow
from evalkit.voting import serving

NOW = datetime.now(UTC)
QUESTIONS = ("aesthetics", "alignment")


@pytest.fixture
def rater(trial):
    invite = trial.invite()
    with db.session(trial.engine) as session:
        serving.consent(session, invite.rater_id, "1", NOW)
    return invite.rater_id


def shown(trial, rater):
    with db.session(trial.engine) as session:
        return serving.next_comparison(session, rater, NOW)


def votes(trial, rater):
    mine = select(func.count(VoteRow.id)).join(AssignmentRow).join(SheetRow).where(SheetRow.rater_id == rater)
    with db.session(trial.engine, reading=True) as session:
        return session.scalar(mine)


def cast(assignment, question, choice="left", number=1, **changed):
    action = {"id": f"c-{number}", "do": "cast", "assignment": assignment, "question": question, "choice": choice}
    return {**action, "response_ms": 1500, **changed}


def answered(assignment):
    both = [cast(assignment, question, number=number) for number, question in enumerate(QUESTIONS)]
    return [*both, {"id": "f", "do": "finish", "assignment": assignment}]


def test_a_whole_comparison_in_one_outbox(trial, rater):
    first = shown(trial, rater)
    outbox = answered(first.assignment_id)
    assert settle(outbox, {}, trial.engine, rater, NOW, "no") == {"c-0": None, "c-1": None, "f": None}
    assert votes(trial, rater) == 2 and shown(trial, rater).position == 2


def test_the_same_outbox_again_does_nothing_in_this_session_or_in_another(trial, rater):
    outbox = answered(shown(trial, rater).assignment_id)
    settled = settle(outbox, {}, trial.engine, rater, NOW, "no")
    assert settle(outbox, settled, trial.engine, rater, NOW, "no") == settled
    assert settle(outbox, {}, trial.engine, rater, NOW, "no") == settled  # a session that has forgotten
    assert votes(trial, rater) == 2 and shown(trial, rater).position == 2


def test_undo_that_arrives_twice_goes_back_once(trial, rater):
    for _ in range(2):
        settle(answered(shown(trial, rater).assignment_id), {}, trial.engine, rater, NOW, "no")
    undo = [{"id": "u", "do": "undo", "assignment": shown(trial, rater).assignment_id}]
    for _ in range(3):
        assert settle(undo, {}, trial.engine, rater, NOW, "no") == {"u": None}
    back = shown(trial, rater)
    assert back.position == 2 and back.answers == dict.fromkeys(QUESTIONS, "left")


def test_undo_in_a_tab_that_is_behind_does_nothing(trial, rater):
    behind = shown(trial, rater).assignment_id
    for _ in range(2):
        settle(answered(shown(trial, rater).assignment_id), {}, trial.engine, rater, NOW, "no")
    settle([{"id": "u", "do": "undo", "assignment": behind}], {}, trial.engine, rater, NOW, "no")
    assert shown(trial, rater).position == 3
    with db.session(trial.engine) as session:  # the twin: without the guard it would have gone back
        assert serving.undo(session, rater, NOW)
    assert shown(trial, rater).position == 2


def test_an_action_that_is_refused_says_so_and_keeps_nothing(trial, rater):
    first = shown(trial, rater)
    outbox = [
        cast(first.assignment_id, "no such question"),
        {"id": "f", "do": "finish", "assignment": first.assignment_id},
    ]
    assert settle(outbox, {}, trial.engine, rater, NOW, "no") == {"c-1": "no", "f": "no"}
    assert votes(trial, rater) == 0


def test_somebody_elses_comparison_is_refused(trial, rater):
    mine = shown(trial, rater)
    other = trial.invite().rater_id
    with db.session(trial.engine) as session:
        serving.consent(session, other, "1", NOW)
    assert settle([cast(mine.assignment_id, "aesthetics")], {}, trial.engine, other, NOW, "no") == {"c-1": "no"}
    assert votes(trial, rater) == 0


def test_a_reported_image_may_be_passed_over(trial, rater):
    first = shown(trial, rater)
    report = {"id": "r", "do": "report", "assignment": first.assignment_id, "side": "left", "reason": "broken"}
    finish = {"id": "f", "do": "finish", "assignment": first.assignment_id}
    assert settle([report, report, finish], {}, trial.engine, rater, NOW, "no") == {"r": None, "f": None}
    with db.session(trial.engine, reading=True) as session:
        reports = session.scalars(select(ReportRow).where(ReportRow.assignment_id == first.assignment_id)).all()
    assert [(report.side, report.reason) for report in reports] == [("left", "broken")]


@pytest.mark.parametrize(
    "junk",
    [None, 7, "x", {"do": "cast"}, [7], [{"do": "sing", "id": "1", "assignment": 1}], [{}] * 101]
    + [
        [cast(1, "aesthetics", **wrong)]
        for wrong in ({"response_ms": -1}, {"choice": "both"}, {"id": "x" * 65}, {"x": 1})
    ]
    + [
        [cast("1; DROP TABLE vote", "aesthetics")],
        [cast(True, "aesthetics")],
        [cast(1, "aesthetics", response_ms=1.5)],
    ],
)
def test_junk_is_ignored(trial, rater, junk):
    assert settle(junk, {"a": None}, trial.engine, rater, NOW, "no") == {"a": None}
    assert votes(trial, rater) == 0


def test_nothing_is_acknowledged_while_the_database_refuses(trial, rater, monkeypatch):
    first = shown(trial, rater)

    def full(*args, **kwargs):
        raise VotingError("the disk is full; nothing was saved")

    with monkeypatch.context() as patch:
        patch.setattr(actions.serving, "cast", full)
        assert settle([cast(first.assignment_id, "aesthetics")], {}, trial.engine, rater, NOW, "no") == {"c-1": "no"}
    assert votes(trial, rater) == 0
