"""The lock of a run folder. The kernel holds it (flock) for one process, and lets go when that ends, by kill -9 too."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from evalkit.errors import RunError, UnavailableError
from evalkit.places import is_remote
from evalkit.store import bucket_locking
from evalkit.store.bucket_locking import Claim

LOG = logging.getLogger(__name__)
TRIES, PAUSE = 3, 0.1
"""`holder` looks by taking the lock for a moment: whoever meets that tries again after so many seconds."""


@dataclass(frozen=True)
class Holder:
    """The process that works on a run, as it wrote itself into the lock file."""

    pid: int
    host: str
    since: str
    doing: str

    @classmethod
    def this_process(cls, doing: str) -> Holder:
        return cls(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), doing)

    def __str__(self) -> str:
        return f"`{self.doing}` (process {self.pid} on {self.host}, since {self.since})"


@contextmanager
def held(path: Path, doing: str, *, wait: bool = False) -> Iterator[Holder | None]:
    """Holds the lock for the block. Gives the process that held it before and died in the middle, if one did.

    Args:
        wait: wait for another process, instead of an error.

    Raises:
        RunError: another process holds it; it says which, and where.
        UnavailableError: the folder cannot be written.
    """
    if is_remote(path):
        claim = Claim(**asdict(Holder.this_process(doing)), machine=bucket_locking.this_machine())
        with bucket_locking.held(path, claim, wait=wait) as before:
            yield _holder(before)
        return
    with _opened(path) as file:
        _take(file, path, wait)
        died = _read(path)
        _note(file, path, Holder.this_process(doing))
        try:
            yield died
        finally:
            file.truncate(0)


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; None if nobody does."""
    if is_remote(path):
        claim = bucket_locking.last(path)
        return None if claim is None or bucket_locking.is_dead(claim) else _holder(claim)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(path) or Holder(0, "unknown", "unknown", "a stage")
    return None


def died(path: Path) -> Holder | None:
    """The process that died with the lock in its hands, if nobody took it since."""
    if is_remote(path):
        return None if holder(path) else _holder(bucket_locking.last(path))
    return None if holder(path) else _read(path)


def _holder(claim: Claim | None) -> Holder | None:
    return Holder(claim.pid, claim.host, claim.since, claim.doing) if claim else None


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        hint = "check the rights and the disk"
        raise UnavailableError(f"cannot write: {error.strerror}", where=str(path.parent), hint=hint) from error


def _take(file: IO[str], path: Path, wait: bool) -> None:
    for attempt in range(TRIES):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < TRIES:
                time.sleep(PAUSE)
    by = _read(path) or "somebody"
    if not wait:
        hint = "wait for it (--wait does), or stop it; a process that is killed lets go by itself"
        raise RunError(f"another process works on this run: {by}", where=str(path.parent), hint=hint)
    LOG.warning("waiting for another process that works on this run: %s", by)
    fcntl.flock(file, fcntl.LOCK_EX)


def _note(file: IO[str], path: Path, holder: Holder) -> None:
    try:
        file.truncate(0)
        file.write(json.dumps(asdict(holder)) + "\n")
        file.flush()
    except OSError as error:
        hint = "free some space"
        raise UnavailableError(f"cannot write: {error.strerror}", where=str(path), hint=hint) from error


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
