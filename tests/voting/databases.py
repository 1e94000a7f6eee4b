"""Real databases for the tests: a SQLite file, and a PostgreSQL server where its binaries are installed."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, require: Callable[[str], None]) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'votes.db'}"
        return
    require("postgres")
    address, name = f"postgresql+psycopg://postgres@/{{}}?host={server()}", f"t{uuid4().hex}"
    owner = create_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.format(name)
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on it, with the tables of the study."""
    opened = db.open_engine(database_url)
    db.upgrade(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """SQLite alone, for what does not depend on the database."""
    opened = db.open_engine(f"sqlite:///{tmp_path / 'votes.db'}")
    db.upgrade(opened)
    yield opened
    opened.dispose()
