"""Log and seals: whole as they are written, and each kind of tampering is found."""

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, EventRow, ImageRow, PromptRow, StudyRow, VoteRow
from evalkit.voting import closing, events, invites, seals
from tests.voting.studies import NOW, Trial

LATER = NOW + timedelta(hours=1)


class Undone(Exception):
    """Rolls a change back."""


def faults(trial: Trial, head: str | None = None) -> list[str]:
    with db.session(trial.engine, reading=True) as session:
        return seals.verify(session, trial.study_id, head)


def tamper(trial: Trial, statement: str) -> None:
    with trial.engine.begin() as connection:
        connection.execute(text(statement))


def test_the_log_of_a_study_is_unbroken_from_opening_to_closing(trial):
    rater = trial.arrive()[0]
    trial.answer(rater)
    with db.session(trial.engine) as session:
        invites.revoke(session, rater, LATER)
        head = closing.set_closed(session, trial.study_id, LATER)
    with db.session(trial.engine, reading=True) as session:
        log = events.lines(session, trial.study_id)
    assert [row.what for row in log] == ["open", "invite", "revoke", "close"] and log[-1].sha == head
    assert faults(trial, head) == [] and faults(trial, log[0].sha) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE event SET actor = 'me' WHERE what = 'invite'", "line 2 (invite) was changed"),
        ("UPDATE event SET at = '2020-01-01 00:00:00' WHERE what = 'open'", "line 1 (open) was changed"),
        ("DELETE FROM event WHERE what = 'invite'", "line 2 (close) does not follow"),
        ("DELETE FROM event WHERE what = 'open'", "does not begin with the opening"),
        ("DELETE FROM event WHERE what = 'close'", "the head that was printed is not in the log"),
        ("DELETE FROM event WHERE what = 'close'", "state does not agree with its log"),
        ("DELETE FROM event", "the log is empty"),
        ("UPDATE study SET closed_at = NULL", "state does not agree with its log"),
        ("UPDATE vote SET choice = 'right' WHERE question = 'aesthetics'", "the votes differ from those sealed"),
        ("DELETE FROM vote WHERE question = 'alignment'", "the votes differ from those sealed"),
        ("UPDATE assignment SET a_is_left = NOT a_is_left WHERE position = 3", "the design differs"),
        ("UPDATE prompt SET text = 'a green apple' WHERE key = 's-0'", "the design differs"),
        ("UPDATE image SET arm = 'ffffffff' WHERE id = 1", "the design differs"),
        ("UPDATE study SET spec = '{}'", "the design differs"),
    ],
)
def test_each_planted_tampering_is_found(sqlite_trial, statement, said):
    sqlite_trial.answer(sqlite_trial.arrive()[0])
    with db.session(sqlite_trial.engine) as session:
        head = closing.set_closed(session, sqlite_trial.study_id, LATER)
    assert faults(sqlite_trial, head) == []
    tamper(sqlite_trial, statement)
    assert said in "; ".join(faults(sqlite_trial, head))


def test_a_log_written_anew_is_found_by_the_head_that_was_printed(sqlite_trial):
    sqlite_trial.arrive()
    with db.session(sqlite_trial.engine) as session:
        head = events.append(session, sqlite_trial.study_id, "note", NOW)
        rows = events.lines(session, sqlite_trial.study_id)
        rows[-1].detail = {"forged": True}
        rows[-1].sha = events.sha_of(rows[-1])
    assert faults(sqlite_trial) == []
    assert faults(sqlite_trial, head) == [
        "the head that was printed is not in the log: lines are missing or were written anew"
    ]


def test_a_log_cannot_fork(trial):
    with pytest.raises(VotingError, match="does not fit"), db.session(trial.engine) as session:
        first = events.lines(session, trial.study_id)[0]
        session.add(
            EventRow(study_id=trial.study_id, at=NOW, actor="", what="x", detail={}, prev_sha=first.prev_sha, sha="")
        )


def test_voting_and_a_rater_who_follows_an_absent_one_leave_the_frozen_design_as_it_was(trial):
    *raters, late = trial.arrive(5)
    for rater in raters:
        trial.answer(rater)
    with db.session(trial.engine) as session:
        invites.revoke(session, raters[0], LATER)
    trial.answer(late)
    assert faults(trial) == []


def test_closing_again_changes_nothing(trial):
    with db.session(trial.engine) as session:
        head = closing.set_closed(session, trial.study_id, LATER)
    with db.session(trial.engine) as session:
        assert closing.set_closed(session, trial.study_id, LATER + timedelta(days=1)) == head
        assert session.get(StudyRow, trial.study_id).closed_at == LATER
    with pytest.raises(VotingError, match="no such study"), db.session(trial.engine) as session:
        closing.set_closed(session, 10**6, LATER)


def test_the_seal_covers_every_column_of_a_vote(sqlite_trial):
    sqlite_trial.answer(sqlite_trial.arrive()[0])
    with db.session(sqlite_trial.engine, reading=True) as session:
        before = seals.votes_sha(session, sqlite_trial.study_id)
    changes = {
        "choice": "neither",
        "response_ms": 1,
        "question": "x",
        "app_version": "x",
        "simulated": True,
        "cast_at": LATER,
    }
    assert set(changes) == {column.name for column in VoteRow.__table__.columns} - {"id", "assignment_id"}
    for column, value in changes.items():
        with suppress(Undone), db.session(sqlite_trial.engine) as session:
            vote = session.scalars(select(VoteRow)).first()
            setattr(vote, column, value)
            session.flush()
            assert seals.votes_sha(session, sqlite_trial.study_id) != before, column
            raise Undone


def test_the_seal_of_the_design_covers_every_order_and_side(sqlite_trial):
    with db.session(sqlite_trial.engine, reading=True) as session:
        before = seals.design_sha(session, sqlite_trial.study_id)
    for table, column, value in (
        (AssignmentRow, "position", 99),
        (AssignmentRow, "occasion", 2),
        (ImageRow, "sha256", "f" * 64),
        (PromptRow, "lang", "fr"),
    ):
        with suppress(Undone), db.session(sqlite_trial.engine) as session:
            setattr(session.scalars(select(table).order_by(table.id)).first(), column, value)
            session.flush()
            assert seals.design_sha(session, sqlite_trial.study_id) != before, column
            raise Undone
