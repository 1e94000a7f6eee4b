"""What the raters' server answers to plain HTTP: headers, images for their rater only, health, no detail of errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import select

from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import invites
from evalkit.voting.visit import Visit


@pytest.fixture(scope="module")
def visit(trial, address):
    with Visit(address, trial.invite().token) as visit:
        visit.consent()
        yield visit


def status(address, path):
    return requests.get(address + path, timeout=30).status_code


def test_health_and_security_headers(address):
    answer = requests.get(f"{address}/health", timeout=30)
    assert answer.json() == {"status": "ok"}
    for path in ("/", "/health", "/img/a/b", "/nowhere"):
        headers = requests.get(address + path, timeout=30).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_document_is_grey_from_the_first_byte(address):
    page = requests.get(address, timeout=30).text
    assert "#808080" in page and "<title>Picture comparison</title>" in page


def test_an_image_comes_to_its_rater_and_to_nobody_else(trial, address, visit):
    left, right = visit.comparison["left"], visit.comparison["right"]
    answer = requests.get(address + left, timeout=30)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "private, no-store"
    assert answer.content.startswith(b"\x89PNG") and "Content-Encoding" not in answer.headers
    assert not {"ETag", "Last-Modified"} & set(answer.headers)
    key, mac = left.split("/")[2:]
    wrong = [
        f"/img/{key}/{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        f"/img/{right.split('/')[2]}/{mac}",
        f"/img/{key}/x",
    ]
    assert [status(address, path) for path in wrong] == [404, 404, 404]
    assert requests.get(address + wrong[0], timeout=30).content == b""


def test_an_image_is_gone_with_its_invite(trial, address):
    invite = trial.invite()
    with Visit(address, invite.token) as other:
        other.consent()
        path = other.comparison["left"]
    assert status(address, path) == 200
    with db.session(trial.engine) as session:
        invites.revoke(session, invite.rater_id, datetime.now(UTC))
    assert status(address, path) == 404


def test_no_other_door_of_streamlit_is_open(address):
    assert requests.post(f"{address}/_stcore/agent/interact", json={}, timeout=30).status_code >= 400
    assert requests.get(f"{address}/app/static/rater.py", timeout=30).status_code in (404, 400) or "<html" in (
        requests.get(f"{address}/app/static/rater.py", timeout=30).text
    )


def test_a_visit_without_a_browser(trial, address):
    with Visit(address, trial.invite().token) as visit:
        assert visit.comparison is None
        visit.consent()
        first = visit.comparison
        visit.answer({question["name"]: "neither" for question in first["questions"]})
        assert visit.comparison["position"] == 2 and set(visit.acknowledged.values()) == {None}
        visit.send([{"do": "cast", "assignment": first["assignment"], "question": "aesthetics", "choice": "left",
                     "response_ms": 1}])  # fmt: skip
        assert set(visit.acknowledged.values()) == {"That was not saved. Please load the page again."}


def test_ten_raters_at_once_lose_no_vote(trial, address):
    made = [trial.invite() for _ in range(10)]

    def vote(invite):
        with Visit(address, invite.token) as visit:
            visit.consent()
            for _ in range(7):
                visit.answer({question["name"]: "right" for question in visit.comparison["questions"]})
            return visit.comparison

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(vote, made)) == [None] * 10
    mine = [invite.rater_id for invite in made]
    with db.session(trial.engine, reading=True) as session:
        stored = select(VoteRow).join(AssignmentRow).join(SheetRow).where(SheetRow.rater_id.in_(mine))
        votes = session.scalars(stored).all()
    assert len(votes) == len({(vote.assignment_id, vote.question) for vote in votes}) == 10 * 7 * 2
