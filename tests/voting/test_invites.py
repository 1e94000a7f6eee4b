"""Invites: secret, one rater each, expiring, revocable; of the token only its hash is kept."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import RaterRow, VoteRow
from evalkit.voting import closing, invites, privacy, serving
from tests.voting.studies import NOW


def make(trial, count=1, days=2.0):
    with db.session(trial.engine) as session:
        return invites.invite(
            session, trial.study_id, count=count, valid_days=days, now=NOW, app_url="https://study.example/"
        )


def enter(trial, token, now=NOW):
    with db.session(trial.engine, reading=True) as session:
        return serving.enter(session, token, now)


def test_links_are_secret_and_one_a_rater(trial):
    made = make(trial, 50)
    assert len({item.token for item in made}) == len({item.rater_id for item in made}) == 50
    assert all(len(item.token) == 22 for item in made)  # 16 bytes: 128 bits
    assert made[0].link == f"https://study.example/?t={made[0].token}"
    assert {enter(trial, item.token).rater_id for item in made} == {item.rater_id for item in made}
    with trial.engine.connect() as connection:
        stored = str(
            connection.execute(text("SELECT * FROM rater")).all()
            + connection.execute(text("SELECT * FROM event")).all()
        )
    assert not any(item.token in stored for item in made)


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --", "\x00", "\ud800", "ü" * 1000])
def test_an_unknown_link_is_refused_in_friendly_words(sqlite_trial, token):
    make(sqlite_trial)
    with pytest.raises(VotingError, match=r"This link is not known\."):
        enter(sqlite_trial, token)


def test_a_link_expires_and_can_be_withdrawn(trial):
    first, second = make(trial, 2)
    enter(trial, first.token, NOW + timedelta(days=2) - timedelta(seconds=1))
    with pytest.raises(VotingError, match="expired on 6 March 2026"):
        enter(trial, first.token, NOW + timedelta(days=2))
    with db.session(trial.engine) as session:
        invites.revoke(session, second.rater_id, NOW)
        invites.revoke(session, second.rater_id, NOW)
    with pytest.raises(VotingError, match="withdrawn"):
        enter(trial, second.token)
    with pytest.raises(VotingError, match="no such rater"), db.session(trial.engine) as session:
        invites.revoke(session, 10**6, NOW)


def test_a_rater_is_found_by_code_or_by_the_link_that_they_hold(trial):
    first, second = make(trial, 2)
    with db.session(trial.engine, reading=True) as session:
        for named in (second.code, f" {second.link} ", f"{second.link}&lang=es"):
            assert invites.by_code(session, trial.study_id, named).id == second.rater_id
        for named in ("nobody", first.link.replace(first.token, "x" * 43), first.token):
            with pytest.raises(VotingError, match="no rater"):
                invites.by_code(session, trial.study_id, named)


def test_erasing_removes_the_person_and_keeps_the_votes(trial):
    invite = make(trial)[0]
    with db.session(trial.engine) as session:
        serving.consent(session, invite.rater_id, "1", NOW, ["en"], {"profession": "painter"}, {"display": "old"})
    trial.answer(invite.rater_id)
    with db.session(trial.engine) as session:
        privacy.erase(session, invite.rater_id, NOW)
    with db.session(trial.engine, reading=True) as session:
        row = session.get(RaterRow, invite.rater_id)
        assert (row.languages, row.background, row.viewing) == ([], {}, {}) and row.erased_at == NOW
        assert len(session.scalars(select(VoteRow)).all()) == 2
    with pytest.raises(VotingError, match="not known"):
        enter(trial, invite.token)


def test_a_closed_study_invites_nobody(trial):
    with db.session(trial.engine) as session:
        closing.set_closed(session, trial.study_id, NOW)
    with pytest.raises(VotingError, match="closed"):
        make(trial)
    with pytest.raises(VotingError, match="no such study"), db.session(trial.engine) as session:
        invites.invite(session, 10**6, count=1, valid_days=1, now=NOW)


def test_a_background_told_in_two_steps_adds_up(sqlite_trial):
    invite = make(sqlite_trial)[0]
    for background in ({"profession": "painter"}, {"years": 3}, None):
        with db.session(sqlite_trial.engine) as session:
            serving.consent(session, invite.rater_id, "1", NOW, background=background)
    with db.session(sqlite_trial.engine, reading=True) as session:
        assert session.get(RaterRow, invite.rater_id).background == {"profession": "painter", "years": 3}
