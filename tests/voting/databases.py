"""Real databases for the tests: a SQLite file, and a PostgreSQL server where its binaries are installed."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from evalkit.store import db


@cache
def server() -> str:
    """Starts a PostgreSQL of the tests' own, once; gives the folder of its socket. It ends with the tests."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "initdb")]
    binaries, folder = found[-1].parent, Path(tempfile.mkdtemp(prefix="evalkit-pg-", dir="/tmp"))
    as_owner: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_owner = ["runuser", "-u", "postgres", "--"]
    data, log = folder / "data", folder / "log"
    control = [*as_owner, str(binaries / "pg_ctl"), "-D", str(data), "-l", str(log), "-w"]
    create = [*as_owner, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*create, "--no-sync"], check=True, capture_output=True, cwd="/tmp")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=120"
    subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def stop() -> None:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/tmp")
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return str(folder)


def postgres_address(name: str) -> str:
    return f"postgresql+psycopg://postgres@/{name}?host={server()}"


def postgres_command(command: str) -> None:
    owner = create_engine(postgres_address("postgres"), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(command))
    owner.dispose()


@cache
def migrated_postgres() -> str:
    """The name of a database with the tables of the study, to be copied."""
    postgres_command("CREATE DATABASE migrated")
    opened = db.open_engine(postgres_address("migrated"))
    db.upgrade(opened)
    opened.dispose()
    return "migrated"


@cache
def migrated_sqlite() -> bytes:
    """The content of a SQLite file with the tables of the study."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.db"
        opened = db.open_engine(f"sqlite:///{path}")
        db.upgrade(opened)
        opened.dispose()
        return path.read_bytes()


@contextmanager
def postgres(template: str) -> Iterator[str]:
    name = f"t{uuid4().hex}"
    postgres_command(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres_address(name)
    postgres_command(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest, require: Callable[[str], None]) -> str:
    """Each kind of database that is supported."""
    if request.param == "postgresql":
        require("postgres")
    return str(request.param)


@pytest.fixture
def database_url(kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'votes.db'}"
        return
    with postgres("template1") as url:
        yield url


@pytest.fixture
def engine(kind: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database with the tables of the study."""
    if kind == "sqlite":
        yield from sqlite_engine(tmp_path)
        return
    with postgres(migrated_postgres()) as url:
        opened = db.open_engine(url)
        yield opened
        opened.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """SQLite alone, for what does not depend on the database."""
    yield from sqlite_engine(tmp_path)


def sqlite_engine(folder: Path) -> Iterator[Engine]:
    path = folder / "votes.db"
    path.write_bytes(migrated_sqlite())
    opened = db.open_engine(f"sqlite:///{path}")
    yield opened
    opened.dispose()
