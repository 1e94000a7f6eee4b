"""The lock of a run in a bucket, where no kernel holds one: numbered objects, of which the last one counts.

Only one process can create the next number (a conditional put), so that two never hold the lock. Its holder writes its
object anew every few seconds. Who finds a lock watches for that beat, and takes the next number if there is none: no
two clocks are compared. On the holder's own machine a dead process is seen at once. A holder that was taken for dead
meanwhile is told before it writes anything that counts (`require`).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from evalkit.errors import RunError, UnavailableError
from evalkit.places import filesystem, reached
from evalkit.store.files import create, write_bytes

BEAT_SECONDS, DEAD_SECONDS = 5.0, 40.0
"""A holder shows that it lives that often; who has not shown it for so long is dead."""


@dataclass(frozen=True)
class Claim:
    """One number. `beat` grows while its holder lives; `released`: it ended as it should."""

    pid: int
    host: str
    since: str
    doing: str
    beat: int = 0
    released: bool = False
    machine: str = ""
    """`this_machine` of its holder; "" of versions that did not say"""


@contextmanager
def held(folder: Path, claim: Claim, *, wait: bool = False) -> Iterator[Claim | None]:
    """Holds the lock for the block. Gives the claim of the process that died with it before, if one did.

    Raises:
        RunError: another process holds it, or has taken it over since this one did not answer for so long.
        UnavailableError: the bucket does not answer.
    """
    number, before = _take(folder, claim, wait)
    ended, lost = threading.Event(), threading.Event()

    def check() -> None:
        if lost.is_set() or _latest(folder)[0] != number:
            lost.set()
            raise _taken(folder)

    _CHECKS[str(folder)] = check
    beating = threading.Thread(target=_beat, args=(folder, number, claim, ended, lost), daemon=True)
    beating.start()
    try:
        yield before
    finally:
        del _CHECKS[str(folder)]
        ended.set()
        beating.join()
        if not lost.is_set():
            _write(folder, number, replace(claim, released=True))
    if lost.is_set():
        raise _taken(folder)


_CHECKS: dict[str, Callable[[], None]] = {}
"""Of each lock that this process holds: whether it still does"""


def require(folder: Path) -> None:
    """To be called before a table or a record of a run is written. Folders that this process never locked are let be.

    Raises:
        RunError: another process has taken the lock over.
        UnavailableError: the bucket does not answer.
    """
    if check := _CHECKS.get(str(folder)):
        check()


def _taken(folder: Path) -> RunError:
    hint = "run the command again: what was written is there"
    return RunError("another process took this run over: the bucket was out of reach", where=str(folder), hint=hint)


def this_machine() -> str:
    """What numbers of processes hold within: this start of the kernel, and the container's own space of numbers.

    Two containers may have one host name; of another machine, or another space, a process cannot be asked whether it
    lives. "" where the system does not say (not Linux).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def last(folder: Path) -> Claim | None:
    """The claim that counts; None where nobody ever held the lock, or the last holder released it."""
    number, claim = _latest(folder)
    return claim if number and claim and not claim.released else None


def is_dead(claim: Claim) -> bool | None:
    """Whether the holder is dead; None if that cannot be told from this machine at once."""
    if (claim.host, claim.machine) != (socket.gethostname(), this_machine()):
        return None
    try:
        os.kill(claim.pid, 0)
        return False
    except ProcessLookupError:
        return True
    except OSError:
        return False


def _take(folder: Path, claim: Claim, wait: bool) -> tuple[int, Claim | None]:
    while True:
        number, before = _latest(folder)
        held_by = None if before is None or before.released else before
        if held_by is None or _died(folder, number, held_by, wait):
            if create(folder / _name(number + 1), _encoded(claim)):
                _forget(folder, number)
                return number + 1, held_by
        elif not wait:
            told = f"`{held_by.doing}` (process {held_by.pid} on {held_by.host}, since {held_by.since})"
            hint = "wait for it (--wait does), or stop it"
            raise RunError(f"another process works on this run: {told}", where=str(folder.parent), hint=hint)


def _died(folder: Path, number: int, before: Claim, wait: bool) -> bool:
    """Watches for the holder's next beat; a beat, a release or another holder is a sign of life."""
    if is_dead(before):
        return True
    until = time.monotonic() + DEAD_SECONDS
    while time.monotonic() < until:
        if _latest(folder) != (number, before):
            time.sleep(BEAT_SECONDS if wait else 0)
            return False
        time.sleep(BEAT_SECONDS / 5)
    return True


def _beat(folder: Path, number: int, claim: Claim, ended: threading.Event, lost: threading.Event) -> None:
    beat = 0
    while not ended.wait(BEAT_SECONDS):
        beat += 1
        with suppress(UnavailableError):  # out of reach for a while: the next beat tells
            if _latest(folder)[0] != number:
                lost.set()
                return
            _write(folder, number, replace(claim, beat=beat))


def _latest(folder: Path) -> tuple[int, Claim | None]:
    """The last number with its claim; (0, None) where there is none."""
    files, name = filesystem(folder)
    try:
        with reached(folder):
            numbers = sorted(found.rsplit("/", 1)[-1] for found in files.ls(name, detail=False))
            return int(numbers[-1]), Claim(**json.loads(files.cat_file(f"{name}/{numbers[-1]}")))
    except (FileNotFoundError, IndexError):
        return 0, None


def _forget(folder: Path, number: int) -> None:
    files, name = filesystem(folder)
    with suppress(Exception):  # an old number that stays does no harm
        files.rm([found for found in files.ls(name, detail=False) if int(found.rsplit("/", 1)[-1]) <= number])


def _name(number: int) -> str:
    return f"{number:08}"


def _encoded(claim: Claim) -> bytes:
    return json.dumps(asdict(claim)).encode()


def _write(folder: Path, number: int, claim: Claim) -> None:
    write_bytes(folder / _name(number), _encoded(claim))
