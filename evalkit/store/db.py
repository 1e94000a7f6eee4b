"""The engine and the sessions of the voting database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from evalkit.errors import EvalkitError, NotSavedError, VotingError
from evalkit.registry import missing_extra
from evalkit.settings import Settings

Row = TypeVar("Row")
MIGRATIONS = Path(__file__).parent / "migrations"
QUEUES: WeakKeyDictionary[Engine, deque[Event]] = WeakKeyDictionary()
QUEUES_LOCK = Lock()
"""Who waits to write, by engine"""
TURN_SECONDS = 30.0
UPGRADE_LOCK = 7_265_001  # of PostgreSQL: any number, the same in every process of evalkit


def connect(settings: Settings) -> Engine:
    """The engine of this machine's voting database, with its tables brought up to date. One a process: cache it."""
    engine = open_engine(settings.database)
    upgrade(engine)
    return engine


def open_existing(settings: Settings) -> Engine | None:
    """The engine of a database that is there, its tables as they are; None for a SQLite file that nobody made yet."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        return None
    return open_engine(settings.database)


def open_engine(url: str, *, busy_seconds: float = 15.0) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql+psycopg://...`.

    Args:
        busy_seconds: how long a writer waits for another before it gives up (SQLite).

    Raises:
        VotingError: the URL is not one.
        MissingExtraError: PostgreSQL without psycopg.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return _sqlite(parsed, busy_seconds) if parsed.get_backend_name() == "sqlite" else _server(parsed)
    except ArgumentError as error:
        raise VotingError(f"not a database URL: {error}", hint="see EVALKIT_DATABASE_URL") from None
    except ImportError as error:
        raise missing_extra(error) or error from None


@contextmanager
def session(engine: Engine, *, reading: bool = False) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    What the block did is safe on disk once the `with` statement is left, and not before.

    Args:
        reading: the block writes nothing, and so waits for no writer.

    Raises:
        NotSavedError: the database is locked, full or not to be reached; nothing of the block was kept.
    """
    try:
        with (
            nullcontext() if reading else _turn(engine),
            engine.execution_options(evalkit_reading=reading).connect() as connection,
        ):
            with Session(connection, expire_on_commit=False) as opened, opened.begin():
                yield opened
            connection.commit()
    except DBAPIError as error:
        raise _refusal(error) from error


def held(session: Session, kind: type[Row], key: int, *, share: bool = False) -> Row | None:
    """A row that nobody else changes until the transaction ends, or None.

    On SQLite the transaction holds the whole database already, so that a row that was read in it is as good.

    Args:
        share: others may hold it so too.
    """
    if session.get_bind().dialect.name == "sqlite":
        return session.get(kind, key)
    return session.get(kind, key, with_for_update={"read": share}, populate_existing=True)


@contextmanager
def part(session: Session) -> Iterator[None]:
    """A part of a transaction that is rolled back by itself when the block raises; the rest stays as it is.

    Raises:
        VotingError: a row that does not fit. Any other trouble of the database befalls the whole transaction.
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        raise _refusal(error) from error


def is_embedded(url: str) -> bool:
    """Whether the database is a SQLite file, which has one writer at a time."""
    return url.startswith("sqlite")


def upgrade(engine: Engine, version: str = "head") -> None:
    """Brings the tables to the newest version; harmless when they are, and when several processes do it at once.

    Args:
        version: of the migrations; the newest, unless a test wants an older one.

    Raises:
        VotingError: the database cannot be reached, or comes from a newer evalkit.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, version)
    except CommandError as error:
        hint = "update evalkit, or name another database in EVALKIT_DATABASE_URL"
        raise VotingError(f"the voting database cannot be brought up to date: {error}", hint=hint) from error
    except DBAPIError as error:
        raise _refusal(error) from error


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """SQLite has one writer at a time: those of this engine queue up here, the first comes first, and none polls."""
    if engine.dialect.name != "sqlite":
        yield
        return
    mine = Event()
    with QUEUES_LOCK:
        queue = QUEUES.setdefault(engine, deque())
        queue.append(mine)
        queue[0].set()
    try:
        if not mine.wait(TURN_SECONDS):
            raise NotSavedError("the database is busy; nothing was saved", hint="try again in a moment")
        yield
    finally:
        with QUEUES_LOCK:
            queue.remove(mine)
            if queue:
                queue[0].set()


def _server(url: URL) -> Engine:
    return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)


def _sqlite(url: URL, busy_seconds: float) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": busy_seconds}, pool_size=10, max_overflow=20)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda connection: _begin(connection, busy_seconds))
    return engine


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    """WAL: readers and a writer side by side. FULL: what was acknowledged survives a power cut."""
    connection.isolation_level = None  # the driver's own BEGIN comes too late; `_begin` sends it
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection, busy_seconds: float) -> None:
    """Takes the write lock at once, so that no transaction fails half-way; tries again while another holds it."""
    if connection.get_execution_options().get("evalkit_reading"):
        connection.exec_driver_sql("BEGIN")
        return
    stop = time.monotonic() + busy_seconds
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= stop:
                raise
            time.sleep(0.02)


def _refusal(error: DBAPIError) -> EvalkitError:
    """The readable form of what a database said."""
    said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if isinstance(error, IntegrityError):
        return VotingError("the database refused a row that does not fit", where=said, hint="load the page again")
    if "locked" in said:
        return NotSavedError("the database is busy; nothing was saved", where=said, hint="try again in a moment")
    if "full" in said or "No space" in said:
        return NotSavedError("the disk is full; nothing was saved", where=said, hint="free some space, then try again")
    hint = "see EVALKIT_DATABASE_URL"
    if "malformed" in said or "invalid page" in said or "not a database" in said:
        hint = "the disk has damaged it: `evalkit vote restore` puts a backup into an empty database"
    return NotSavedError("the database cannot be used; nothing was saved", where=said, hint=hint)
