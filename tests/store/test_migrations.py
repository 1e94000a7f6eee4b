"""A database with votes in it, brought from the first version of the tables to the newest: nothing is lost."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, MetaData, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from evalkit.store import db
from evalkit.store.tables import AssignmentRow, ComparisonRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import serving

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
TOKEN = "a-token-of-the-first-version"
QUESTION = {"text": {"en": "Which?"}, "answers": {"en": ["L", "T", "R", "N"]}}
SPEC = {
    "title": "Old", "miniature": False, "comparisons_per_rater": 2, "analysis": {}, "voting": {"images": 1},
    "questions": [{"name": "aesthetics", **QUESTION}, {"name": "alignment", **QUESTION}],
}  # fmt: skip
SHA = "0" * 64
ROWS = {
    "study": [{"id": 1, "slug": "old", "study_sha": SHA, "spec": SPEC, "opened_at": NOW}],
    "prompt": [{"id": n, "study_id": 1, "key": f"p{n}", "lang": "en", "text": f"猫 {n}"} for n in (1, 2)],
    "image": [
        {"id": n, "prompt_id": (n + 1) // 2, "arm": "xy"[n % 2], "key": f"k{n}", "path": f"{n}.png", "sha256": SHA}
        for n in (1, 2, 3, 4)
    ],
    "comparison": [{"id": n, "study_id": 1, "image_a_id": 2 * n - 1, "image_b_id": 2 * n} for n in (1, 2)],
    "rater": [
        {
            "id": 1, "study_id": 1, "code": "r1", "token_sha": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "invited_at": NOW, "expires_at": NOW + timedelta(days=9), "simulated": False, "languages": ["en"],
            "background": {"years": 3}, "viewing": {"width": 1280}, "consented_at": NOW, "consent_version": "1",
            "completion_code": "DONE",
        }
    ],
    "sheet": [{"id": 1, "study_id": 1, "rater_id": 1, "simulated": False, "questions": ["aesthetics", "alignment"]}],
    "assignment": [
        {
            "id": n, "sheet_id": 1, "comparison_id": n, "position": n, "occasion": 1, "a_is_left": n == 1,
            "served_at": NOW,
        }
        for n in (1, 2)
    ],
    "vote": [
        {
            "id": 1, "assignment_id": 1, "question": "aesthetics", "choice": "left", "response_ms": 900, "cast_at": NOW,
            "app_version": "0", "simulated": False,
        }
    ],
    "report_of_image": [{"id": 1, "assignment_id": 1, "side": "left", "reason": "broken", "at": NOW}],
    "event": [
        {
            "id": 1, "study_id": 1, "at": NOW, "actor": "x", "what": "open", "detail": {}, "prev_sha": SHA,
            "sha": SHA[:-1] + "1",
        }
    ],
}  # fmt: skip


@pytest.fixture
def old(database_url: str):
    """A database of version 0001 with a rater in the middle of a sheet."""
    engine = db.open_engine(database_url)
    db.upgrade(engine, "0001")
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for name, rows in ROWS.items():
            for row in rows:
                connection.execute(insert(tables.tables[name]).values(row))
            if engine.dialect.name == "postgresql":  # ids given by hand do not move the sequence
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 50)"))
    yield engine
    engine.dispose()


def rows(engine: Engine, name: str) -> list[dict]:
    tables = MetaData()
    tables.reflect(engine, only=[name])
    with engine.connect() as connection:
        query = select(tables.tables[name]).order_by(tables.tables[name].c.id)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_every_row_of_an_older_database_is_there_after_the_upgrade_as_it_was(old):
    before = {name: rows(old, name) for name in ROWS}
    db.upgrade(old)
    after = {name: rows(old, name) for name in ROWS}
    for name, wanted in before.items():
        assert [{key: row[key] for key in wanted[0]} for row in after[name]] == wanted, name
    new = {name: after[name][0] for name in ("study", "comparison", "sheet", "assignment")}
    assert new["study"]["mode"] == "study" and new["comparison"]["kind"] == "vote"
    assert not new["sheet"]["hides_prompt"] and new["assignment"]["draw"] == 0


def test_what_the_upgrade_adds_is_checked_by_the_database(old):
    db.upgrade(old)
    for command in ("UPDATE study SET mode = 'rehearsal'", "UPDATE comparison SET kind = 'repeat'"):
        with pytest.raises((IntegrityError, DataError)), old.begin() as connection:
            connection.execute(text(command))


def test_a_rater_in_the_middle_of_a_sheet_goes_on_after_the_upgrade(old):
    db.upgrade(old)
    with db.session(old) as session:
        state = serving.enter(session, TOKEN, NOW)
        shown = serving.next_comparison(session, state.rater_id, NOW)
        assert (state.done, state.total, shown.answers) == (0, 2, {"aesthetics": "left"})
        serving.cast(session, 1, shown.assignment_id, "alignment", "tie", 700, NOW, "1")
        serving.finish(session, 1, shown.assignment_id, NOW)
    with db.session(old, reading=True) as session:
        assert session.scalars(select(VoteRow.choice).order_by(VoteRow.id)).all() == ["left", "tie"]
        assert session.get(AssignmentRow, 1).finished_at == NOW
        kept = (
            session.get(StudyRow, 1).mode,
            session.get(ComparisonRow, 1).votes_wanted,
            session.get(SheetRow, 1).lang,
        )
        assert kept == ("study", 0, None)


def test_a_rater_who_went_after_an_answer_is_held_and_then_found_by_what_comes_next(old):
    db.upgrade(old, "0003")
    finished = "UPDATE assignment SET finished_at = :now, expires_at = :later WHERE id = 1"
    with old.begin() as connection:
        connection.execute(
            text(finished), {"now": NOW.isoformat(" "), "later": (NOW + timedelta(hours=2)).isoformat(" ")}
        )
    db.upgrade(old)
    with db.session(old, reading=True) as session:
        holds = session.scalars(select(AssignmentRow.expires_at).order_by(AssignmentRow.id)).all()
    assert holds == [NOW + timedelta(hours=2)] * 2


def test_a_sheet_of_a_version_without_holds_is_held_until_the_invite_ends(old):
    db.upgrade(old)
    with db.session(old, reading=True) as session:
        holds = session.scalars(select(AssignmentRow.expires_at).order_by(AssignmentRow.id)).all()
    assert holds == [NOW + timedelta(days=9), None]
