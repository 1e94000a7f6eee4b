"""A folder that holds all that a study needs from a hub, for machines without one.

Plain files, no links: DIR/{models,datasets}/OWNER/NAME/REVISION/FILE, DIR/weights/FILE, and mirror.json with each
file's size and SHA-256. Files are copied whole or not at all; one that is there with the right SHA-256 is not copied
again. Several studies may share a folder.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import UnavailableError
from evalkit.outcome import Progress
from evalkit.spec.fingerprint import file_sha256
from evalkit.store.files import write_text

NAME = "mirror.json"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Item:
    """A file that a study needs: where it lies on this machine, and its place in a mirror."""

    place: str
    here: Path


@dataclass
class Mirror:
    """What mirror.json holds: by place, size and SHA-256; by study, its lock."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    locks: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)


def read(folder: Path) -> Mirror:
    """The record of a mirror.

    Raises:
        UnavailableError: there is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        hint = "make one where a hub is reached: `evalkit fetch STUDY --to DIR`"
        raise UnavailableError("no mirror here", where=str(path), hint=hint)
    try:
        return Mirror(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UnavailableError(f"the mirror's record is damaged: {error}", where=str(path)) from error


def write(folder: Path, items: list[Item], study: str, lock: dict[str, Any], progress: Progress) -> int:
    """Copies `items` into a mirror; returns the bytes that were copied."""
    mirror = read(folder) if (folder / NAME).is_file() else Mirror()
    total, done, copied = sum(item.here.stat().st_size for item in items), 0, 0
    check_disk(folder, sum(item.here.stat().st_size for item in items if not (folder / item.place).is_file()))
    for item in items:
        facts: dict[str, Any] = {"bytes": item.here.stat().st_size, "sha256": file_sha256(item.here.resolve())}
        copied += _copy(item.here.resolve(), folder / item.place, facts)
        mirror.files[item.place] = facts
        done += facts["bytes"]
        progress("megabytes copied", done // MEGABYTE, total // MEGABYTE)
    mirror.locks[study] = lock
    write_text(folder / NAME, json.dumps(asdict(mirror), indent=1, sort_keys=True) + "\n")
    return copied


def use(
    folder: Path, mirror: Mirror, items: list[Item], progress: Progress, more: Iterable[tuple[Path, int]] = ()
) -> int:
    """Copies `items` from a mirror to where they belong on this machine; returns the bytes that were copied.

    Args:
        more: bytes by place that must be free besides.

    Raises:
        UnavailableError: a file is missing there or was changed, or the disk is too small.
    """
    if lacking := [item.place for item in items if item.place not in mirror.files]:
        hint = "write it again where a hub is reached: `evalkit fetch STUDY --to DIR`"
        raise UnavailableError(
            f"{len(lacking)} files are not in the mirror: {lacking[0]}", where=str(folder), hint=hint
        )
    missing = [item for item in items if not item.here.is_file()]
    total, done, copied = sum(mirror.files[item.place]["bytes"] for item in items), 0, 0
    check_disks([*((item.here, mirror.files[item.place]["bytes"]) for item in missing), *more])
    for item in items:
        facts = mirror.files[item.place]
        copied += _copy(folder / item.place, item.here, facts)
        done += facts["bytes"]
        progress("megabytes copied", done // MEGABYTE, total // MEGABYTE)
    return copied


def check_disks(needed: Iterable[tuple[Path, int]]) -> None:
    """`check_disk` of bytes by place, summed over the places that share a disk."""
    disks = dict[int, tuple[Path, int]]()
    for place, size in needed:
        folder = _existing(place)
        disk = folder.stat().st_dev
        disks[disk] = folder, size + disks.get(disk, (folder, 0))[1]
    for folder, size in disks.values():
        check_disk(folder, size)


def check_disk(folder: Path, needed: int) -> None:
    """Refuses what does not fit, before the first byte."""
    place = _existing(folder)
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UnavailableError(
            f"{needed // MEGABYTE:,} MB needed, but {free // MEGABYTE:,} MB free",
            where=str(place),
            hint="free some space, or take a larger disk (the hub's cache: HF_HOME)",
        )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.resolve().parents) if folder.is_dir())


def _copy(source: Path, target: Path, facts: dict[str, Any]) -> int:
    """Copies one file, whole and checked; 0 where it is there already."""
    if target.is_file() and target.stat().st_size == facts["bytes"] and file_sha256(target) == facts["sha256"]:
        return 0
    if not source.is_file() or file_sha256(source) != facts["sha256"]:
        hint = "write the mirror again with `evalkit fetch STUDY --to DIR`"
        raise UnavailableError("a file of the mirror is missing or was changed", where=str(source), hint=hint)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnavailableError(f"cannot write: {error.strerror or error}", where=str(target)) from error
    return int(facts["bytes"])
