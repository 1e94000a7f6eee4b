"""The researcher's app: a password first, then progress, invites, quality and closing, and never who leads."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from app.views.entering import may_enter
from app.views.quality import share_sentence, side_sentence
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.store import db
from evalkit.store.tables import RaterRow, StudyRow
from evalkit.voting import serving
from tests.app.conftest import new_settings
from tests.app.serving import SYSTEMS, open_trial, this_process_has
from tests.conftest import ROOT

NOW = datetime.now(UTC)
PASSWORD = "a long password"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = open_trial(new_settings(tmp_path_factory), raters=4)
    vote(study, ["left", "right", "tie"])
    vote(study, ["left"] * 4, simulated=True)
    return study


@pytest.fixture
def app(study, monkeypatch):
    """The page, as this process would serve it."""
    wanted = study.settings.model_copy(update={"researcher_password": SecretStr(PASSWORD)})
    with this_process_has(wanted, monkeypatch):
        yield AppTest.from_file(str(ROOT / "app/views/researching.py"), default_timeout=60).run()


@pytest.fixture
def inside(app):
    app.text_input[0].set_value(PASSWORD)
    return app.button[0].click().run()


def vote(study, choices, simulated=False):
    rater = study.invite().rater_id
    with db.session(study.engine) as session:
        serving.consent(session, rater, "1", NOW)
    for choice in choices:
        with db.session(study.engine) as session:
            shown = serving.next_comparison(session, rater, NOW)
            for question in shown.questions:
                serving.cast(session, rater, shown.assignment_id, question.name, choice, 1500, NOW, "test", simulated)
        with db.session(study.engine) as session:
            serving.finish(session, rater, shown.assignment_id, NOW)


def see(app, view):
    return app.sidebar.radio[0].set_value(view).run()


def text(app):
    kinds = (app.title, app.caption, app.markdown, app.header, app.metric, app.code, app.error)
    return " ".join(str(item.value) for kind in kinds for item in kind)


def test_without_the_password_there_is_nothing(app):
    assert not app.sidebar.radio and "trial" not in text(app)
    app.text_input[0].set_value("a long passwore")
    app.button[0].click().run()
    assert "That is not the password" in text(app) and not app.sidebar.radio


def test_progress_counts_people_and_programs_apart(inside):
    shown = {metric.label: metric.value for metric in inside.metric}
    assert shown["Votes by people"] == "6" and shown["Simulated votes"] == "8"
    assert shown["Comparisons finished"].endswith(" of 28")
    assert "8 of 14 votes are simulated" in text(inside)


@pytest.mark.parametrize("view", ["Progress", "Raters", "Quality", "Rehearsal", "Closing"])
def test_no_view_names_a_system_or_an_arm(inside, study, view):
    see(inside, view)
    assert not inside.exception and not inside.error
    drawn = " ".join(str(element.proto) for element in inside.main) + text(inside)
    assert len(drawn) > 500
    assert [word for word in (*SYSTEMS, *study.arms.systems) if word in drawn] == []


def test_invites_are_made_shown_once_and_withdrawn(inside, study):
    see(inside, "Raters")
    inside.number_input[0].set_value(3)
    inside.main.text_input[0].set_value("es, en")
    inside.main.text_input[1].set_value("https://panel.example/back?cc={code}")
    next(button for button in inside.button if button.label == "Make links").click()
    inside.run()
    links = inside.code[0].value.split()
    assert len(links) == 3 and all(link.startswith("http://raters.example/?t=") for link in links)
    with db.session(study.engine, reading=True) as session:
        states = [serving.enter(session, link.split("t=")[1], NOW) for link in links]
        rater = session.get(RaterRow, states[0].rater_id)
        code, back = rater.code, rater.return_url
    assert back == "https://panel.example/back?cc={code}" and list(states[0].languages) == ["es", "en"]
    inside.main.selectbox[0].set_value(code)
    next(button for button in inside.button if button.label == "Withdraw the link").click()
    inside.run()
    with db.session(study.engine, reading=True) as session:
        rater = session.scalars(select(RaterRow).where(RaterRow.code == code)).one()
    assert rater.revoked_at is not None


def test_a_way_back_that_is_no_web_address_is_refused_in_a_sentence(inside):
    see(inside, "Raters")
    inside.main.text_input[1].set_value("panel.example/back")
    next(button for button in inside.button if button.label == "Make links").click()
    inside.run()
    assert "the return address is no web address. https://..." in text(inside) and not inside.code


def test_the_table_of_links_is_csv(study):
    from app.views.inviting import as_csv

    rows = list(csv.DictReader(io.StringIO(as_csv([study.invite(app_url="http://x")]))))
    assert rows[0]["link"].startswith("http://x/?t=") and list(rows[0]) == ["rater", "link", "expires_at"]


def test_sides_are_said_with_n_and_interval():
    assert side_sentence(wilson(9, 10)) == (
        "Left was preferred in 90 % (60-98) of the votes for a side, n = 10: away from 50 %: a side is favoured."
    )
    assert side_sentence(wilson(5, 10)).endswith("as expected when sides are balanced.")
    assert side_sentence(Estimate(None, None, None, 0, "wilson")) == "No vote was for a side yet."


def test_a_preview_and_a_pilot_are_studies_of_their_own(inside, study):
    see(inside, "Rehearsal")
    inside.button("preview").click().run()
    link = next(code.value for code in inside.code if "?t=" in code.value)
    next(button for button in inside.button if button.label == "Begin a pilot").click().run()
    assert not inside.exception and not inside.error
    with db.session(study.engine, reading=True) as session:
        modes = {row.mode: row.id for row in session.scalars(select(StudyRow))}
        state = serving.enter(session, link.split("t=")[1], NOW)
    assert set(modes) == {"study", "preview", "pilot"} and state.study_id == modes["preview"]
    assert {option.rsplit(", ", 1)[-1] for option in inside.sidebar.selectbox[0].options} >= {"preview", "pilot"}


def test_shares_are_said_with_n_and_interval():
    assert share_sentence(9, 10, "golds answered rightly") == "Golds answered rightly: 90 % (60-98), n = 10."
    assert share_sentence(0, 0, "golds answered rightly") == "No golds yet."


@pytest.mark.parametrize(
    ("email", "verified", "allowed", "expected"),
    [
        ("Ada@lab.example", True, "ada@lab.example, bo@lab.example", True),
        ("ada@lab.example", False, "ada@lab.example", False),
        ("eve@lab.example", True, "ada@lab.example", False),
        ("", True, "", False),
        ("", True, " , ", False),
    ],
)
def test_who_may_sign_in(email, verified, allowed, expected):
    assert may_enter(email, verified, allowed) is expected


def test_closing_asks_for_the_name_and_seals(inside, study):
    see(inside, "Closing")
    inside.main.text_input[0].set_value("wrong")
    inside.main.button[0].click().run()
    assert "Nothing was closed" in text(inside)
    inside.main.text_input[0].set_value("trial")
    inside.main.button[0].click().run()
    assert "The log is unbroken." in text(inside) and "evalkit vote close trial" in text(inside)
    with db.session(study.engine, reading=True) as session:
        assert session.get(StudyRow, study.study_id).closed_at is not None
    assert "nobody can be invited" in text(see(inside, "Raters"))


def test_it_refuses_to_start_without_a_password(study):
    environment = study.settings.model_copy(update={"researcher_password": None}).environment()
    words = [sys.executable, "-c", "import app.researcher"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "needs a password" in done.stderr
