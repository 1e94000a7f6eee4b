"""Erasure and retention: what people told is gone, votes stay or go as planned, and the log vouches for it."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect, select, text

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import RaterRow, StudyRow, VoteRow
from evalkit.voting import closing, events, invites, privacy, seals, serving, tidy
from tests.voting.studies import NOW, Trial, freeze, write_study

SYSTEMS = ["system-u", "system-v"]


def one_who_told(trial: Trial) -> tuple[int, str]:
    """A rater with everything that can be known of one; and their token."""
    with db.session(trial.engine) as session:
        invite = invites.invite(
            session, trial.study_id, count=1, valid_days=9, now=NOW, return_url="https://panel.example/back?c={code}"
        )[0]
        serving.consent(session, invite.rater_id, "1", NOW, ["es-MX"], {"profession": "glazier"}, {"width": 1377})
        shown = serving.next_comparison(session, invite.rater_id, NOW)
        serving.comment(session, invite.rater_id, shown.assignment_id, "my uncle's tower", NOW)
    trial.answer(invite.rater_id)
    return invite.rater_id, invite.token


def everything(trial: Trial) -> str:
    with trial.engine.connect() as connection:
        tables = [name for name in inspect(connection).get_table_names() if name != "event"]
        return str([connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables])  # noqa: S608


def code_of(trial: Trial, rater: int) -> str:
    with db.session(trial.engine, reading=True) as session:
        return session.get(RaterRow, rater).code


def erase(trial: Trial, rater: int) -> int:
    with db.session(trial.engine) as session:
        return privacy.erase(session, rater, NOW + timedelta(hours=1))


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_nothing_that_a_person_told_is_left_and_votes_stay_or_go_as_planned(engine, checkout, settings, policy):
    trial = freeze(engine, write_study(checkout, on_erasure=policy), settings)
    rater, token = one_who_told(trial)
    before, other = code_of(trial, rater), trial.arrive()[0]
    trial.answer(other)
    secrets = ("glazier", "1377", "es-MX", "my uncle", "panel.example", invites.token_sha(token), before)
    assert all(word in everything(trial) for word in secrets)
    assert erase(trial, rater) == (2 if policy == "drop" else 0)
    assert not [word for word in secrets if word in everything(trial)]
    with db.session(engine, reading=True) as session:
        assert len(session.scalars(select(VoteRow)).all()) == (2 if policy == "drop" else 4)
        line = events.lines(session, trial.study_id)[-1]
        assert (line.what, line.detail["rater"]) == ("erase", before) and seals.verify(session, trial.study_id) == []
        with pytest.raises(VotingError, match="not known"):
            invites.find(session, token, NOW)
        codes = set(tidy.votes(session, trial.study_id, trial.link, SYSTEMS)["rater"])
        assert before not in codes and len(codes) == (1 if policy == "drop" else 2)


def test_dropped_votes_come_back_to_the_pool(sqlite, checkout, settings):
    trial = freeze(sqlite, write_study(checkout, raters=1, on_erasure="drop"), settings)
    rater, _ = one_who_told(trial)
    erase(trial, rater)
    assert trial.show(trial.arrive()[0]).total == 8


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_after_closing_the_seal_is_set_anew_and_still_catches_a_change(sqlite, checkout, settings, policy):
    trial = freeze(sqlite, write_study(checkout, on_erasure=policy), settings)
    rater, _ = one_who_told(trial)
    trial.answer(trial.arrive()[0])
    with db.session(sqlite) as session:
        closing.set_closed(session, trial.study_id, NOW)
    erase(trial, rater)
    with db.session(sqlite) as session:
        assert seals.verify(session, trial.study_id) == []
        session.scalars(select(VoteRow)).first().choice = "neither"
        session.flush()
        assert seals.verify(session, trial.study_id) == ["the votes differ from those sealed at closing"]
        session.rollback()


def test_what_raters_told_goes_when_its_time_has_come_and_not_before(engine, checkout, settings):
    trial = freeze(engine, write_study(checkout, retention_days=30), settings)
    one_who_told(trial)
    trial.arrive()

    def retire(days: float) -> int:
        with db.session(engine) as session:
            return privacy.retire(session, trial.study_id, NOW + timedelta(days=days))

    assert retire(400) == 0  # still open
    with db.session(engine) as session:
        closing.set_closed(session, trial.study_id, NOW)
        assert privacy.due_at(session, session.get(StudyRow, trial.study_id)) == NOW + timedelta(days=30)
    assert retire(29) == 0 and "glazier" in everything(trial)
    assert retire(30) == 2 and retire(31) == 0
    assert not [word for word in ("glazier", "1377", "es-MX", "my uncle", "panel.example") if word in everything(trial)]
    with db.session(engine, reading=True) as session:
        assert seals.verify(session, trial.study_id) == []
        assert len(session.scalars(select(VoteRow)).all()) == 2


def test_the_return_address_carries_the_completion_code_once_all_is_done(sqlite_trial):
    rater, token = one_who_told(sqlite_trial)
    with db.session(sqlite_trial.engine, reading=True) as session:
        assert serving.enter(session, token, NOW).return_url is None
    for _ in range(7):
        sqlite_trial.answer(rater)
    with db.session(sqlite_trial.engine, reading=True) as session:
        state = serving.enter(session, token, NOW)
    assert state.return_url == f"https://panel.example/back?c={state.completion_code}"
    with pytest.raises(VotingError, match="no web address"), db.session(sqlite_trial.engine) as session:
        invites.invite(session, sqlite_trial.study_id, count=1, valid_days=1, now=NOW, return_url="javascript:alert(1)")
