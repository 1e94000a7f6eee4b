"""Which page a link leads to, and what is stored of the consent; guesses are slowed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from sqlalchemy import true
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from app.attempts import LINKS
from evalkit.store import db
from evalkit.store.tables import RaterRow
from evalkit.voting import amending, invites, pool, serving
from tests.app.serving import beside, this_process_has
from tests.conftest import ROOT


@pytest.fixture
def here(trial, monkeypatch):
    with this_process_has(trial.settings, monkeypatch):
        yield


def visit(**query):
    page = AppTest.from_file(str(ROOT / "app/views/rating.py"), default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def said(page):
    assert not page.exception
    return " ".join(str(item.value) for item in (*page.title, *page.markdown, *page.subheader))


def test_no_link_and_links_that_do_not_work(trial, here):
    withdrawn = trial.invite()
    with db.session(trial.engine) as session:
        invites.revoke(session, withdrawn.rater_id, datetime.now(UTC))
    assert "An invitation is needed" in said(visit())
    for token in (
        "x",
        "x" * 100_000,
        "\u202e\x00'; DROP TABLE vote; --",
        trial.invite(valid_days=-1).token,
        withdrawn.token,
    ):
        assert "This link does not work" in said(visit(t=token))
    assert "Este enlace no funciona" in said(visit(t="x", lang="es"))


def test_consent_is_asked_before_anything_is_stored(trial, here):
    invite = trial.invite()
    page = visit(t=invite.token)
    assert "Before you start" in said(page) and "7 pairs" in said(page)
    page = page.button("start").click().run()
    assert "Tick the box first" in said(page)
    with db.session(trial.engine, reading=True) as session:
        assert session.get(RaterRow, invite.rater_id).consented_at is None
    page.checkbox("agreed").check()
    page.selectbox("profession").select("Photography")
    page.number_input("years").set_value(12)
    page.button("start").click().run()
    with db.session(trial.engine, reading=True) as session:
        rater = session.get(RaterRow, invite.rater_id)
    assert rater.consented_at and rater.consent_version == "2-en"
    assert rater.background == {"profession": "Photography", "years": 12} and rater.languages == ["en"]
    assert "Before you start" not in said(visit(t=invite.token))


def test_what_is_told_in_another_language_is_stored_in_one(trial, here):
    invite = trial.invite()
    page = visit(t=invite.token, lang="zh")
    page.checkbox("agreed").check()
    page.selectbox("display").select("笔记本电脑")
    page.button("start").click().run()
    with db.session(trial.engine, reading=True) as session:
        rater = session.get(RaterRow, invite.rater_id)
    assert rater.background == {"display": "Laptop"} and rater.consent_version == "2-zh" and rater.languages == ["zh"]


def test_who_has_finished_sees_the_code_again(trial, here):
    invite = trial.invite()
    now = datetime.now(UTC)
    with db.session(trial.engine) as session:
        serving.consent(session, invite.rater_id, "1", now)
    while (shown := ask(trial, invite.rater_id)) is not None:
        for question in shown.questions:
            with db.session(trial.engine) as session:
                serving.cast(session, invite.rater_id, shown.assignment_id, question.name, "tie", 9, now, "test")
        with db.session(trial.engine) as session:
            serving.finish(session, invite.rater_id, shown.assignment_id, now)
    page = visit(t=invite.token)
    with db.session(trial.engine, reading=True) as session:
        assert page.code[0].value == session.get(RaterRow, invite.rater_id).completion_code


def test_whose_rest_went_to_others_sees_no_code(trial, here):
    gone, late, now = trial.invite(), trial.invite(), datetime.now(UTC)
    with db.session(trial.engine) as session:
        serving.consent(session, gone.rater_id, "1", now)
    shown = ask(trial, gone.rater_id)
    with db.session(trial.engine) as session:
        for question in shown.questions:
            serving.cast(session, gone.rater_id, shown.assignment_id, question.name, "tie", 9, now, "test")
        serving.finish(session, gone.rater_id, shown.assignment_id, now)
    assert ask(trial, gone.rater_id) is not None
    with db.session(trial.engine) as session:
        moved = [session.get(RaterRow, late.rater_id), true(), now + timedelta(days=3)]
        while pool.leftovers(session, *moved):  # those of this file's other raters too
            pass
    page = visit(t=gone.token)
    assert "Your remaining pairs went to others" in said(page) and not page.code


def ask(trial, rater_id):
    with db.session(trial.engine) as session:
        return serving.next_comparison(session, rater_id, datetime.now(UTC))


def test_who_guesses_links_has_to_wait(trial, here, monkeypatch):
    monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.9")  # a run without a server knows no address
    assert "This link does not work" in said(visit(t="guess"))
    for _ in range(18):
        LINKS.count("192.0.2.9", datetime.now(UTC))
    assert "This link does not work" in said(visit(t="guess"))
    assert "Too many attempts" in said(visit(t="guess"))
    assert "Before you start" in said(visit(t=trial.invite().token))  # who shares the address has a link that works


def test_an_old_link_that_is_loaded_again_is_no_guess(trial, here, monkeypatch):
    monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.8")
    old = trial.invite(valid_days=-1).token
    for _ in range(2):
        for _ in range(10):
            LINKS.count("192.0.2.8", datetime.now(UTC))
        assert "This link does not work" in said(visit(t=old))
    assert "Too many attempts" in said(visit(t="guess"))


def test_guesses_from_ones_own_address_hold_up_no_answer(trial, here):
    """The same at `POST /answers`: a stranger's guesses are held back, a rater's letter and an expired one are not."""
    from app import answering

    letters = {"guess": "guess", "known": trial.invite().token, "old": trial.invite(valid_days=-1).token}

    def status(token):
        body = json.dumps({"token": token, "lang": "en", "outbox": []}).encode()
        scope = {"type": "http", "client": ("192.0.2.7", 1), "headers": [(b"content-type", b"application/json")]}

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        return beside(lambda: asyncio.run(answering.answers(Request(scope, receive)))).status_code

    assert [status(letters["old"]) for _ in range(25)] == [403] * 25 and status(letters["guess"]) == 403
    for _ in range(20):
        LINKS.count("192.0.2.7", datetime.now(UTC))
    assert [status(letters[name]) for name in ("guess", "known", "old")] == [429, 200, 403]


@pytest.mark.parametrize("code", ["en", "es", "zh", "ar"])
def test_the_consent_promises_what_the_study_does(trial, here, monkeypatch, code):
    from app.wording import wording

    words = wording(code)
    kept = said(visit(t=trial.invite().token, lang=code))
    assert words["consent_withdraw_keep"].strip() in kept and words["consent_withdraw_drop"].strip() not in kept
    with db.session(trial.engine) as session:
        amending.amend(session, trial.study_id, "asked by the board", {"voting.on_erasure": "drop"}, datetime.now(UTC))
    try:
        dropped = said(visit(t=trial.invite().token, lang=code))
    finally:
        with db.session(trial.engine) as session:
            amending.amend(session, trial.study_id, "back", {"voting.on_erasure": "keep"}, datetime.now(UTC))
    assert words["consent_withdraw_drop"].strip() in dropped and words["consent_withdraw_keep"].strip() not in dropped


def test_who_guesses_addresses_of_images_has_to_wait(here):
    from app import rater

    def status(number):
        scope = {"type": "http", "client": ("192.0.2.9", 1), "path_params": {"key": f"{number:032x}", "mac": "0" * 32}}
        return beside(lambda: asyncio.run(rater.image(Request(scope)))).status_code

    first = next(number for number in range(400) if status(number) == 429)
    assert first >= 60, "later than the 61st only where the machine took more than the window for them"
