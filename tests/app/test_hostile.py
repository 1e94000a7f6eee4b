"""A hostile rater: others' tokens, replays, junk, floods, paths, markup; the server stays up and says little."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import func, select

from app.headers import SecurityHeaders
from evalkit.store import db
from evalkit.store.tables import CommentRow, VoteRow
from evalkit.voting import closing
from evalkit.voting.visit import Visit
from tests.app.conftest import new_settings
from tests.app.serving import beside, open_trial, serve


@pytest.fixture
def visit(trial, address):
    """A rater at the first comparison."""
    with Visit(address, trial.invite().token) as visit:
        visit.consent()
        yield visit


def post(address, token, *actions, **wish):
    outbox = [{"id": f"h-{number}", **action} for number, action in enumerate(actions)]
    letter = {"token": token, "lang": "en", "outbox": outbox, **wish}
    return requests.post(f"{address}/answers", json=letter, timeout=60)


def cast(assignment, question="aesthetics", choice="left"):
    return {"do": "cast", "assignment": assignment, "question": question, "choice": choice, "response_ms": 5}


def votes(study, assignment):
    with db.session(study.engine, reading=True) as session:
        return session.scalar(select(func.count(VoteRow.id)).where(VoteRow.assignment_id == assignment))


def test_a_replayed_request_is_one_vote(trial, address, visit):
    at = visit.comparison["assignment"]
    answers = [post(address, visit.token, cast(at)) for _ in range(5)]
    assert {answer.json()["acknowledged"]["h-0"] for answer in answers} == {None} and votes(trial, at) == 1


def test_somebody_elses_comparison_and_tokens_that_are_none(trial, address, visit):
    at = visit.comparison["assignment"]
    with Visit(address, trial.invite().token) as other:
        other.consent()
        answer = post(address, other.token, cast(at))
    assert answer.json()["acknowledged"]["h-0"] is not None
    refused = [post(address, token, cast(at)) for token in ("", "guess", "' OR 1=1 --", "\u0000")]
    assert {answer.status_code for answer in refused} == {403} and votes(trial, at) == 0
    assert {tuple(answer.json()) for answer in refused} == {("over",)}


def test_guesses_count_by_the_address_that_a_proxy_on_this_machine_names(address):
    def guess(client):
        letter = {"token": "guess", "lang": "en", "outbox": [{"id": "g", **cast(1)}]}
        return requests.post(f"{address}/answers", json=letter, headers={"X-Forwarded-For": client}, timeout=60)

    assert {guess("203.0.113.7").status_code for _ in range(20)} == {403}
    assert guess("203.0.113.7").status_code == 429 and guess("203.0.113.8").status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"\xff\x00", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"x" * 70_000, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"t=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_junk_is_refused_in_a_word(address, body, kind, status):
    answer = requests.post(f"{address}/answers", data=body, headers={"Content-Type": kind}, timeout=60)
    assert (answer.status_code, answer.text) == (status, "{}")


@pytest.mark.parametrize(
    "path",
    [
        "/img/..%2f..%2f.secret/x",
        "/img/%2e%2e/%2e%2e",
        "/example/..%2f..%2fpyproject.toml",
        "/example/%00",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/media/..%2f..%2fdata/evalkit.db",
        "/component/../../etc/passwd",
    ],
)
def test_no_path_leads_to_a_file(address, path):
    with requests.Session() as browser:
        request = requests.Request("GET", address).prepare()
        request.url = address + path  # as written: requests would tidy it
        answer = browser.send(request, timeout=60)
    assert answer.status_code >= 400 or "<title>" in answer.text  # Streamlit answers unknown pages with its document
    for telling in ("root:", "SQLite", "[project]", "Traceback", 'File "'):
        assert telling not in answer.text


def test_a_comment_is_text_and_nothing_more(trial, address, visit):
    at, text = visit.comparison["assignment"], "<script>alert(1)</script> **bold** [x](javascript:1) '; DROP TABLE vote"
    assert post(address, visit.token, {"do": "comment", "assignment": at, "text": text}).status_code == 200
    with db.session(trial.engine, reading=True) as session:
        assert session.scalar(select(CommentRow.text).where(CommentRow.assignment_id == at)) == text
    assert post(address, visit.token, {"do": "comment", "assignment": at, "text": "x" * 2001}).status_code == 400


def test_a_flood_is_held_back_and_others_are_served(trial, address, visit):
    """Requests as fast as they go until one is held back; another rater votes meanwhile."""
    at, statuses, until = visit.comparison["assignment"], [], time.monotonic() + 45

    def flood(_):
        with requests.Session() as browser:
            letter = {"token": visit.token, "lang": "en", "outbox": [{"id": "f", **cast(at)}]}
            while 429 not in statuses and time.monotonic() < until:
                statuses.append(browser.post(f"{address}/answers", json=letter, timeout=60).status_code)

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(flood, number) for number in range(4)]
        with Visit(address, trial.invite().token) as other:
            other.consent()
            other.answer({question["name"]: "tie" for question in other.comparison["questions"]})
            assert other.comparison["position"] == 2
        for done in running:
            done.result()
    slower_than_the_limit = len(statuses) < 45 * 10  # on a machine that cannot flood
    assert set(statuses) <= {200, 429} and (429 in statuses or slower_than_the_limit) and votes(trial, at) == 1


@pytest.mark.slow
def test_ten_thousand_requests_a_minute(trial, address, visit):
    """Pages, pictures, guesses in turn, as fast as they are answered; then all is as before. The rate is printed."""
    paths = ["/", visit.comparison["left"], "/img/0/0", "/health", "/?t=guess", "/_stcore/health"]
    started, done = time.monotonic(), []

    def ask(worker):
        with requests.Session() as browser:
            while len(done) < 10_000:
                path = paths[(len(done) + worker) % len(paths)]
                done.append(browser.get(address + path, timeout=60).status_code)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    print(f"{60 * len(done) / (time.monotonic() - started):,.0f} requests a minute")
    assert set(done) <= {200, 404, 429}
    assert post(address, visit.token, cast(visit.comparison["assignment"])).status_code == 200


def test_answers_after_closing_are_refused(tmp_path_factory):
    study = open_trial(new_settings(tmp_path_factory))
    with serve("rater", study.settings, tmp_path_factory.mktemp("log") / "closed.log") as address:
        with Visit(address, study.invite().token) as visit:
            visit.consent()
            at = visit.comparison["assignment"]
            with db.session(study.engine) as session:
                closing.set_closed(session, study.study_id, datetime.now(UTC))
            answer = post(address, visit.token, cast(at))
        assert "over" in answer.json() and votes(study, at) == 0


def test_cookies_are_for_this_site_alone(address):
    for cookie in requests.get(address, timeout=60).raw.headers.getlist("Set-Cookie"):
        assert "samesite" in cookie.lower()


def test_the_middleware_closes_a_cookie(trial):
    import asyncio

    sent = []

    async def app(scope, receive, send):
        head = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"_streamlit_xsrf=2; SameSite=Strict")]
        await send({"type": "http.response.start", "status": 200, "headers": head})

    async def send(message):
        sent.append(message)

    beside(lambda: asyncio.run(SecurityHeaders(app)({"type": "http"}, None, send)))
    cookies = [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]
    assert cookies == ["a=1; Path=/; SameSite=Lax; HttpOnly", "_streamlit_xsrf=2; SameSite=Strict"]
