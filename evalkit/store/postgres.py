"""pg_dump and pg_restore, PostgreSQL's own tools for a copy of a whole database."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from evalkit.errors import UnavailableError


def dump(engine: Engine, out: Path, snapshot: str, environment: Mapping[str, str]) -> None:
    """Writes the database as `snapshot` (pg_export_snapshot) sees it, in pg_dump's custom format."""
    _run("pg_dump", ["--format=custom", f"--snapshot={snapshot}", f"--file={out}"], engine, environment)


def restore(engine: Engine, source: Path, environment: Mapping[str, str]) -> None:
    """Puts a dump into the database, all or nothing; tables of the same names are replaced."""
    whole = ["--clean", "--if-exists", "--single-transaction", "--no-owner", "--exit-on-error"]
    engine.dispose()
    _run("pg_restore", [*whole, str(source)], engine, environment)


def _run(tool: str, options: list[str], engine: Engine, environment: Mapping[str, str]) -> None:
    """Runs a tool on the engine's database; the password by the environment, where no list of processes shows it."""
    found = shutil.which(tool)
    if found is None:
        hint = "apt-get install postgresql-client, of the server's version or newer"
        raise UnavailableError(f"{tool} is not installed", hint=hint)
    url = engine.url.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": str(engine.url.password)} if engine.url.password else {}
    done = subprocess.run(
        [found, f"--dbname={url}", *options], env={**environment, **secret}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[:1] or [f"exit code {done.returncode}"]
        raise UnavailableError(f"{tool} failed: {said[0]}", where=str(engine.url.database))
