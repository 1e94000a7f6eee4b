"""The outbox: each action is done once however often it arrives, and is acknowledged only when it is committed."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, select

from app import actions
from evalkit.errors import NotSavedError
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


def settle(outbox, trial, rater, now=NOW):
    known = TypeAdapter(actions.Outbox).validate_json(json.dumps(outbox), strict=True)
    with db.session(trial.engine) as session:
        return actions.settle(known, session, rater, now, "no")


def cast(assignment, question, choice="left", number=1, **changed):
    action = {"id": f"c-{number}", "do": "cast", "assignment": assignment, "question": question, "choice": choice}
    return {**action, "response_ms": 1500, **changed}


def answered(assignment):
    both = [cast(assignment, question, number=number) for number, question in enumerate(QUESTIONS)]
    return [*both, {"id": "f", "do": "finish", "assignment": assignment}]


def test_a_whole_comparison_in_one_outbox(trial, rater):
    first = shown(trial, rater)
    outbox = answered(first.assignment_id)
    assert settle(outbox, trial, rater) == {"c-0": None, "c-1": None, "f": None}
    assert votes(trial, rater) == 2 and shown(trial, rater).position == 2


def test_the_same_outbox_again_does_nothing(trial, rater):
    outbox = answered(shown(trial, rater).assignment_id)
    settled = settle(outbox, trial, rater)
    assert settle(outbox, trial, rater) == settled
    assert votes(trial, rater) == 2 and shown(trial, rater).position == 2


def test_an_answer_after_days_is_an_answer(trial, rater):
    """A tab that was open for longer than a day; the time that counts is at most a day."""
    first = shown(trial, rater)
    assert settle([cast(first.assignment_id, "aesthetics", response_ms=108_000_000)], trial, rater) == {"c-1": None}
    with db.session(trial.engine, reading=True) as session:
        mine = select(VoteRow.response_ms).where(VoteRow.assignment_id == first.assignment_id)
        assert session.scalar(mine) == serving.DAY_MS


def test_undo_that_arrives_twice_goes_back_once(trial, rater):
    for _ in range(2):
        settle(answered(shown(trial, rater).assignment_id), trial, rater)
    undo = [{"id": "u", "do": "undo", "assignment": shown(trial, rater).assignment_id}]
    for _ in range(3):
        assert settle(undo, trial, rater) == {"u": None}
    back = shown(trial, rater)
    assert back.position == 2 and back.answers == dict.fromkeys(QUESTIONS, "left")


def test_undo_in_a_tab_that_is_behind_does_nothing(trial, rater):
    behind = shown(trial, rater).assignment_id
    for _ in range(2):
        settle(answered(shown(trial, rater).assignment_id), trial, rater)
    settle([{"id": "u", "do": "undo", "assignment": behind}], trial, rater)
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
    assert settle(outbox, trial, rater) == {"c-1": "no", "f": "no"}
    assert votes(trial, rater) == 0


def test_somebody_elses_comparison_is_refused(trial, rater):
    mine = shown(trial, rater)
    other = trial.invite().rater_id
    with db.session(trial.engine) as session:
        serving.consent(session, other, "1", NOW)
    assert settle([cast(mine.assignment_id, "aesthetics")], trial, other) == {"c-1": "no"}
    assert votes(trial, rater) == 0


def test_a_reported_image_may_be_passed_over(trial, rater):
    first = shown(trial, rater)
    report = {"id": "r", "do": "report", "assignment": first.assignment_id, "side": "left", "reason": "broken"}
    finish = {"id": "f", "do": "finish", "assignment": first.assignment_id}
    assert settle([report, report, finish], trial, rater) == {"r": None, "f": None}
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
def test_junk_is_refused_whole(trial, rater, junk):
    with pytest.raises(ValidationError):
        settle(junk, trial, rater)
    assert votes(trial, rater) == 0


def test_nothing_is_acknowledged_while_the_database_cannot_write(trial, rater, monkeypatch):
    first = shown(trial, rater)
    outbox = [cast(first.assignment_id, question, number=number) for number, question in enumerate(QUESTIONS)]
    real, calls = actions.serving.cast, []

    def full(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise NotSavedError("the disk is full; nothing was saved")
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(actions.serving, "cast", full)
        with pytest.raises(NotSavedError):
            settle(outbox, trial, rater)
    assert votes(trial, rater) == 0  # the first of the two neither
    assert settle(outbox, trial, rater) == {"c-0": None, "c-1": None} and votes(trial, rater) == 2
