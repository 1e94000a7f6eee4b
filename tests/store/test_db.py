"""The voting database: its tables are those of the migrations, its writes are whole or not at all."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import StatementError

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import Base, PromptRow, StudyRow, VoteRow

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


def study(slug: str = "s", **fields) -> StudyRow:
    return StudyRow(slug=slug, study_sha="a" * 64, spec={"title": slug}, opened_at=NOW, **fields)


def slugs(engine) -> list[str]:
    with db.session(engine, reading=True) as session:
        return list(session.scalars(select(StudyRow.slug).order_by(StudyRow.slug)))


def test_the_migrations_make_the_tables_that_the_code_uses(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        names = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    assert names == ["0004"]


def test_a_table_that_differs_from_the_code_is_found(engine):
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE study ADD COLUMN system VARCHAR"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata)


def test_upgrading_again_and_from_several_processes_at_once_is_harmless(database_url):
    code = "import sys; from evalkit.store import db; db.upgrade(db.open_engine(sys.argv[1]))"
    running = [subprocess.Popen([sys.executable, "-c", code, database_url]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    opened = db.open_engine(database_url)
    db.upgrade(opened)
    assert slugs(opened) == []
    opened.dispose()


def test_a_database_of_a_newer_evalkit_is_refused_in_words(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(VotingError, match="cannot be brought up to date") as caught:
        db.upgrade(engine)
    assert "update evalkit" in str(caught.value)


def test_the_database_itself_refuses_what_does_not_fit(engine):
    broken = [
        lambda: VoteRow(assignment_id=10**6, question="q", choice="left", response_ms=1, cast_at=NOW, app_version="1"),
        lambda: PromptRow(study_id=10**6, key="k", lang="en", text="t"),
    ]
    for make in broken:
        row = make()
        if isinstance(row, VoteRow):
            row.simulated = False
        with pytest.raises(VotingError, match="does not fit"), db.session(engine) as session:
            session.add(row)
    checks = "INSERT INTO vote (assignment_id, question, choice, response_ms, cast_at, app_version, simulated) VALUES "
    for choice, milliseconds in (("a", 1), ("left", -1)):
        values = f"(1, 'q', '{choice}', {milliseconds}, '2026-01-01', '1', true)"
        with pytest.raises(VotingError, match="does not fit"), db.session(engine) as session:
            session.execute(text(checks + values))
    with db.session(engine) as session:
        session.add(study())
    with pytest.raises(VotingError, match="does not fit"), db.session(engine) as session:
        session.add(study())


def test_a_block_that_fails_leaves_nothing_behind(engine):
    with pytest.raises(ZeroDivisionError), db.session(engine) as session:
        session.add(study())
        session.flush()
        _ = 1 / 0
    assert slugs(engine) == []


def test_times_come_back_aware_and_in_utc(engine):
    east = datetime(2026, 3, 4, 15, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with db.session(engine) as session:
        session.add(study(closed_at=east))
    with db.session(engine, reading=True) as session:
        row = session.scalars(select(StudyRow)).one()
    assert row.opened_at == NOW and row.opened_at.tzinfo is UTC
    assert row.closed_at == east and row.closed_at.tzinfo is UTC
    with pytest.raises(StatementError, match="without its zone"), db.session(engine) as session:
        session.add(study("other", closed_at=datetime(2026, 1, 1)))


def test_writers_at_the_same_time_all_get_through(engine):
    def write(number: int) -> None:
        for turn in range(5):
            with db.session(engine) as session:
                count = session.scalar(select(func.count(StudyRow.id)))
                session.add(study(f"{number}-{turn}-{count}"))

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slugs(engine)) == 40


def test_a_locked_database_is_an_error_in_words_and_nothing_is_saved(tmp_path):
    url = f"sqlite:///{tmp_path / 'votes.db'}"
    patient, hasty = db.open_engine(url), db.open_engine(url, busy_seconds=0.1)
    db.upgrade(patient)
    with db.session(patient) as session:
        session.add(study("first"))
        session.flush()
        with pytest.raises(VotingError, match="busy; nothing was saved"), db.session(hasty) as other:
            other.add(study("second"))
        assert slugs(hasty) == []  # a reader waits for nobody
    with db.session(hasty) as session:
        session.add(study("third"))
    assert slugs(hasty) == ["first", "third"]


def test_a_full_disk_is_an_error_in_words_and_what_was_saved_stays(tmp_path):
    engine = db.open_engine(f"sqlite:///{tmp_path / 'full.db'}")
    db.upgrade(engine)
    with db.session(engine) as session:
        session.add(study("kept"))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1"))
    with pytest.raises(VotingError, match="disk is full; nothing was saved"), db.session(engine) as session:
        session.add(StudyRow(slug="lost", study_sha="b" * 64, spec={"x": "y" * 100_000}, opened_at=NOW))
    assert slugs(engine) == ["kept"]


def test_a_file_that_is_no_database_and_a_server_that_is_not_there_are_errors_in_words(tmp_path):
    path = tmp_path / "votes.db"
    path.write_text("this is a text about votes, and nothing that SQLite could read\n" * 100)
    with pytest.raises(VotingError, match="cannot be used"):
        db.upgrade(db.open_engine(f"sqlite:///{path}"))
    with pytest.raises(VotingError, match="cannot be used"):
        db.upgrade(db.open_engine(f"postgresql+psycopg://nobody@/none?host={tmp_path}"))
    for wrong in ("votes.db", "mystery://x"):
        with pytest.raises(VotingError, match="not a database URL"):
            db.open_engine(wrong)
