"""Backups of the voting database: taken while it is in use, and proven by the logs of the studies in it.

SQLite by its own online backup, PostgreSQL by pg_dump; both see one moment. A backup is a folder: the database,
backup.json (its hash, the head of each study's log, every picture with its hash) and voting/, the pictures. What the
arms stand for is not in it: arms.json lies in the run folder, and who keeps both together is no longer blind.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.orm import Session

from evalkit import __version__
from evalkit.errors import UnavailableError, VotingError
from evalkit.spec.fingerprint import file_sha256
from evalkit.store import db, postgres
from evalkit.store.files import write_text
from evalkit.store.tables import AssignmentRow, ImageRow, SheetRow, StudyRow, VoteRow
from evalkit.voting import events, seals

NAMES = {"sqlite": "database.sqlite", "postgresql": "database.pgdump"}
RECORD = "backup.json"


def back_up(
    engine: Engine, data: Path, out: Path, now: datetime, environment: Mapping[str, str], *, images: bool = True
) -> dict[str, Any]:
    """Writes a backup into the new folder `out`; gives its record (backup.json).

    Args:
        data: the data folder, where the raters' pictures lie.
        environment: for pg_dump.
        images: copy the pictures; else they are listed with their hashes.

    Raises:
        VotingError: the folder is there already, or a study does not verify.
        UnavailableError: the disk is full, or pg_dump is missing.
    """
    if out.exists():
        raise VotingError("the folder is there already", where=str(out), hint="name another one")
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        copied = _copy_sqlite if engine.url.get_backend_name() == "sqlite" else _copy_postgres
        copy = aside / NAMES[engine.url.get_backend_name()]
        studies, pictures = copied(engine, copy, environment)
        record: dict[str, Any] = {
            "at": now.isoformat(),
            "evalkit": __version__,
            "database": copy.name,
            "sha256": file_sha256(copy),
        }
        record |= {"studies": studies, "pictures": pictures, "pictures_copied": images}
        if images:
            _copy_pictures(pictures, data, aside)
        write_text(aside / RECORD, json.dumps(record, indent=2, ensure_ascii=False))
        aside.rename(out)
    except (OSError, sqlite3.Error) as error:
        raise UnavailableError(f"the backup cannot be written: {error}", where=str(out)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return record


def restore(engine: Engine, data: Path, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Restores a backup into a database without studies, and proves each study in it; gives the backup's record.

    Pictures that are missing are put back; one that is there already stays as it is.

    Raises:
        VotingError: not a backup, damaged, another kind of database, studies in the way, or a study does not verify.
    """
    record = _read(folder)
    kind = engine.url.get_backend_name()
    if record["database"] != NAMES[kind]:
        hint = "set EVALKIT_DATABASE_URL to a database of the same kind"
        raise VotingError(
            f"the backup holds {record['database']}, the database is {kind}", where=str(folder), hint=hint
        )
    if inspect(engine).has_table("study"):
        with db.session(engine, reading=True) as session:
            if session.scalar(select(func.count(StudyRow.id))):
                hint = "name an empty database in EVALKIT_DATABASE_URL"
                raise VotingError("there are studies in the database; a backup does not overwrite them", hint=hint)
    if kind == "sqlite":
        _put_sqlite(engine, folder / record["database"])
    else:
        postgres.restore(engine, folder / record["database"], environment)
    db.upgrade(engine)
    with db.session(engine, reading=True) as session:
        faults = [f"{one['slug']}: {fault}" for one in record["studies"] for fault in _faults(session, one)]
    if faults:
        raise VotingError("; ".join(faults), where=str(folder), hint="take another backup")
    _put_pictures(record, folder, data)
    return record


def missing_pictures(record: Mapping[str, Any], data: Path) -> list[str]:
    """Pictures of a backup that are not in the data folder, or are not what they were."""
    return [
        name
        for name, sha in record["pictures"].items()
        if not (data / name).is_file() or file_sha256(data / name) != sha
    ]


def _copy_sqlite(
    engine: Engine, copy: Path, environment: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    there = sqlite3.connect(f"file:{engine.url.database}?mode=ro", uri=True)
    with closing(there) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    opened = db.open_engine(f"sqlite:///{copy}")
    try:
        with db.session(opened, reading=True) as session:
            found = _contents(session)
    finally:
        opened.dispose()
        with closing(sqlite3.connect(copy)) as again:
            again.execute("PRAGMA journal_mode=DELETE")
    return found


def _copy_postgres(
    engine: Engine, copy: Path, environment: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Contents and dump of one moment: pg_dump is given the snapshot of this transaction."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar())
        with Session(connection) as session:
            found = _contents(session)
        postgres.dump(engine, copy, snapshot, environment)
    return found


def _contents(session: Session) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every study with the head of its log and its number of votes, proven; every picture with its hash."""
    studies = []
    for study in session.scalars(select(StudyRow).order_by(StudyRow.id)):
        if faults := seals.verify(session, study.id):
            raise VotingError(
                "; ".join(faults), where=study.slug, hint="`evalkit vote verify`; an older backup may be whole"
            )
        votes = select(func.count(VoteRow.id)).join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        count = session.scalar(votes.join(SheetRow).where(SheetRow.study_id == study.id))
        head, sealed = events.lines(session, study.id)[-1].sha, seals.votes_sha(session, study.id)
        told = {"id": study.id, "slug": study.slug, "study_sha": study.study_sha, "mode": study.mode}
        studies.append(told | {"head": head, "votes": count, "votes_sha": sealed})
    pictures = {row.path: row.sha256 for row in session.scalars(select(ImageRow).order_by(ImageRow.path))}
    return studies, pictures


def _faults(session: Session, told: Mapping[str, Any]) -> list[str]:
    """What differs between a study and what the backup says of it."""
    faults = seals.verify(session, told["id"], told["head"])
    if seals.votes_sha(session, told["id"]) != told["votes_sha"]:
        faults.append("the votes differ from those that were backed up")
    return faults


def _read(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        damaged = file_sha256(folder / record["database"]) != record["sha256"]
    except (OSError, ValueError, KeyError):
        raise VotingError("this is no backup", where=str(folder), hint="`evalkit vote backup` writes one") from None
    if damaged:
        raise VotingError("the backup is damaged: its database is not the one that was written", where=str(folder))
    return record


def _put_sqlite(engine: Engine, source: Path) -> None:
    """Copies the database beside its place, then renames it: a restore that is cut off leaves no half of one."""
    engine.dispose()
    place = Path(str(engine.url.database))
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = place.with_name(f".{place.name}.restoring")
    try:
        shutil.copyfile(source, aside)
        for rest in ("-wal", "-shm"):
            place.with_name(place.name + rest).unlink(missing_ok=True)
        aside.replace(place)
    except OSError as error:
        raise UnavailableError(f"cannot write: {error.strerror or error}", where=str(place)) from error
    finally:
        aside.unlink(missing_ok=True)


def _copy_pictures(pictures: Mapping[str, str], data: Path, out: Path) -> None:
    for name, sha in pictures.items():
        if not (data / name).is_file() or file_sha256(data / name) != sha:
            hint = "`evalkit vote verify`; --no-images backs up the database alone"
            raise VotingError("a picture is missing or was changed", where=name, hint=hint)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(data / name, out / name)


def _put_pictures(record: Mapping[str, Any], folder: Path, data: Path) -> None:
    for name in missing_pictures(record, data) if record["pictures_copied"] else ():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, data / name)
