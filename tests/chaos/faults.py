"""Full, read-only and damaged disks, two processes, jumping clocks, short memory: a right result, or a clear error.

Each scenario gives what it met, in words. It raises AssertionError where something was lost, or an error was not clear.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from evalkit.errors import EvalkitError
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.store import db
from evalkit.store.tables import VoteRow
from evalkit.voting import seals, serving
from tests.chaos import workshop
from tests.chaos.cluster import cluster
from tests.chaos.phases import child
from tests.chaos.servers import new_checkout
from tests.chaos.workshop import Workshop
from tests.voting.studies import NOW, freeze, write_study

ROOM = 460_000_000
"""Bytes: enough for one picture of 2048 pixels a side, which takes some 420 MB while it is drawn"""


class Skipped(Exception):
    """What this machine lacks."""


@dataclass(frozen=True)
class Met:
    """How a fault showed, and what was needed afterwards."""

    showed: str
    then: str


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own (tmpfs); only root can mount one."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise Skipped("a small disk can be mounted by root only")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True, capture_output=True)


def refusal(work: Callable[[], object], *words: str) -> str:
    """The error that it ends with: a readable one, which says all the words."""
    try:
        work()
    except EvalkitError as error:
        said = str(error)
        assert all(word in said for word in words), f"the error does not say {words}: {said}"
        assert error.hint, f"the error names no next step: {said}"
        return said
    raise AssertionError("no error")


def right(faults: list[str]) -> None:
    assert not faults, "; ".join(faults)


def disk_full(shop: Workshop) -> Met:
    """Room for the first half of the pictures."""
    with small_disk(shop.root / "disk", 120) as disk:
        (shop.root / "full").symlink_to(disk)
        try:
            said = refusal(lambda: shop.generate("full"), "cannot write", "No space left")
            assert not workshop.leftovers(disk), "half-written files were left on a full disk"
            remount(disk, "size=20m")
            shop.generate("full")
            right(workshop.wrong_images(shop, "full"))
        finally:
            (shop.root / "full").unlink()
    return Met(said, "room made, the same command again: the same bytes")


def disk_read_only(shop: Workshop) -> Met:
    with small_disk(shop.root / "locked", 20_000) as disk:
        (shop.root / "ro").symlink_to(disk)
        try:
            remount(disk, "ro")
            said = refusal(lambda: shop.generate("ro"), "cannot write", "Read-only")
            remount(disk, "rw")
            shop.generate("ro")
            right(workshop.wrong_images(shop, "ro"))
        finally:
            (shop.root / "ro").unlink()
    return Met(said, "mounted for writing, the same command again: the same bytes")


def flip(path: Path, at: float = 0.5, length: int = 8) -> None:
    """Changes bytes in the middle of a file; its length stays. A file of several names becomes one of its own."""
    content = bytearray(path.read_bytes())
    place = int(len(content) * at)
    content[place : place + length] = bytes(byte ^ 0xFF for byte in content[place : place + length])
    path.unlink()
    path.write_bytes(content)


def damaged_image(shop: Workshop) -> Met:
    data = shop.copy("image")
    victim = sorted((shop.root / data / "images").rglob("*.png"))[3]
    flip(victim)
    for name in ("metrics.json", "scores"):
        _remove(shop.run(data).path(name))
    said = refusal(lambda: shop.score(data), "changed since it was made", "--verify")
    generate(shop.study, shop.settings(data), verify=True)
    right(workshop.wrong_images(shop, data))
    shop.score(data)
    right(workshop.wrong_scores(shop, data))
    return Met(said, "`evalkit generate --verify` drew it again: the same bytes")


def damaged_table(shop: Workshop) -> Met:
    data = shop.copy("table")
    path = shop.run(data).path("images.parquet")
    flip(path, at=0.98, length=40)
    said = refusal(lambda: shop.generate(data), "images.parquet is damaged")
    path.unlink()
    shop.generate(data)
    right(workshop.wrong_images(shop, data))
    return Met(said, "deleted, as it says, the same command again: the same table")


def damaged_scores(shop: Workshop) -> Met:
    data = shop.copy("scores")
    path = shop.run(data).path("scores/clip_score.parquet")
    flip(path, at=0.98, length=40)
    said = refusal(lambda: shop.report(data), "damaged")
    path.unlink()
    shop.score(data)
    right(workshop.wrong_scores(shop, data))
    return Met(said, "deleted, as it says, scored again: the same numbers")


def damaged_manifest(shop: Workshop) -> Met:
    data = shop.copy("manifest", without=("metrics.json", "scores"))
    path = shop.run(data).path("manifest.json")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = refusal(lambda: shop.score(data), "manifest.json is damaged", "delete")
    path.unlink()
    shop.score(data)
    right(workshop.wrong_scores(shop, data))
    return Met(said, "deleted, as it says, the same command again: the same numbers")


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def damaged_page_of_sqlite(shop: Workshop) -> Met:
    """A page of the table of votes is overwritten; the backup that was made before has all of them."""
    from evalkit.stages.vote_backup import backup, restore

    data = shop.copy("sqlite")
    own = shop.settings(data)
    path, copy = own.data_dir / "evalkit.db", shop.root / "backup"
    backup(own, out=copy)
    before = _votes(path)
    with sqlite3.connect(path) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = opened.execute("SELECT rootpage FROM sqlite_master WHERE name = 'vote'").fetchone()
        (size,) = opened.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    from evalkit.stages.vote import verify

    said = refusal(lambda: verify(shop.study, own), "malformed")
    for old in own.data_dir.glob("evalkit.db*"):
        old.unlink()
    restore(copy, own)
    assert _votes(path) == before, "the backup lost votes"
    return Met(said, f"`evalkit vote restore`: {len(before)} of {len(before)} votes")


def _votes(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as opened:
        return opened.execute("SELECT assignment_id, question, choice FROM vote ORDER BY id").fetchall()


def damaged_page_of_postgres(shop: Workshop) -> Met:
    """A page of the table of votes is overwritten on the disk; its checksum tells."""
    from sqlalchemy import text

    with cluster(shop.root / "pages") as server:
        engine = db.open_engine(server.url)
        db.upgrade(engine)
        own = Settings(root=new_checkout(shop.root / "pages-checkout"), _env_file=None)
        trial = freeze(engine, write_study(own.root), own)
        for rater in trial.arrive(2):
            for _ in range(8):
                trial.answer(rater)
        with engine.connect() as connection:
            name = connection.execute(text("SELECT pg_relation_filepath('vote')")).scalar()
            connection.execute(text("CHECKPOINT"))
        engine.dispose()
        server.stop()
        with (server.data / str(name)).open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 1024)
        server.start()
        engine = db.open_engine(server.url)
        said = refusal(lambda: _count_votes(engine), "invalid page")
        engine.dispose()
    return Met(said, "PostgreSQL's own backup; `evalkit vote restore` puts a dump back")


def _count_votes(engine: object) -> None:
    with db.session(engine, reading=True) as session:  # type: ignore[arg-type]
        session.scalars(select(VoteRow)).all()


def two_processes(shop: Workshop) -> Met:
    """A second process is refused, with the first one's number; one that waits goes on after it."""
    data, board, log = "two", shop.root / "board-2", shop.root / "log-2"
    (shop.root / data).mkdir()
    first = child(lambda: shop.generate(data), board, log, ("sync", 9))
    from tests.chaos.phases import Board, kill

    _until(lambda: Board(board).paused)
    said = refusal(lambda: shop.generate(data), f"process {first} on")
    own = shop.settings(data).model_copy(update={"wait": True})
    waiting = threading.Thread(target=lambda: generate(shop.study, own, batch_size=3))
    waiting.start()
    time.sleep(0.4)
    assert waiting.is_alive(), "it did not wait"
    kill(first)
    waiting.join(60)
    right(workshop.wrong_images(shop, data))
    return Met(said, "--wait: goes on once the first was killed; the same bytes")


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, "it never came to it"
        time.sleep(0.005)


def clock_of_votes(shop: Workshop) -> Met:
    """The clock jumps back a year, forward a day and back again while a rater votes."""
    own = Settings(root=new_checkout(shop.root / "clock"), _env_file=None)
    engine = db.connect(own)
    trial = freeze(engine, write_study(own.root), own)
    rater = trial.arrive(valid_days=7)[0]
    jumps = (timedelta(), -timedelta(days=365), timedelta(days=1), -timedelta(hours=1), timedelta(hours=40))
    for turn in range(8):
        trial.answer(rater, now=NOW + jumps[turn % len(jumps)])
    with db.session(engine, reading=True) as session:
        right(seals.verify(session, trial.study_id))
        assert not [vote for vote in session.scalars(select(VoteRow)) if vote.response_ms < 0]
    with db.session(engine) as session:
        assert serving.next_comparison(session, rater, NOW) is None, "the sheet is not finished"
    right([] if len(_votes(own.data_dir / "evalkit.db")) == 16 else ["votes lost"])
    engine.dispose()
    return Met("nothing: 16 of 16 votes, log and design unbroken", "nothing")


def clock_of_a_run(shop: Workshop) -> Met:
    """Files from the future, as a clock that was set back leaves them; then generate, score and report again."""
    data = shop.copy("future", without=("metrics.json", "reports", "[0-9a-f]*5.png"))
    future = datetime(2038, 1, 1, tzinfo=UTC).timestamp()
    for path in (shop.root / data).rglob("*"):
        if path.suffix != ".png":
            os.utime(path, (future, future))
    program = shutil.which("faketime")
    shop.generate(data)
    right(workshop.wrong_images(shop, data))
    shop.score(data)
    right(workshop.wrong_scores(shop, data))
    return Met("nothing: the same images and scores" + ("" if program else " (files from 2038)"), "nothing")


def memory(shop: Workshop) -> Met:
    """An address space with room for two of seven pictures at once."""
    from tests.chaos.phases import Board
    from tests.stages.drawing import write_study as write

    side, board, log = 2048, shop.root / "board-3", shop.root / "log-3"
    cards = {"large": {"loader": "procedural", "size": side}}
    path = write(shop.root, name="large", cards=cards, sampling={"width": side, "height": side})
    study, starved, whole = resolve(path, shop.root), shop.settings("starved"), shop.settings("fed")

    def work() -> None:
        (pages, *_) = Path("/proc/self/statm").read_text().split()
        room = int(pages) * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
        said = generate(study, starved, batch_size=7)
        print("; ".join(said.warnings))

    code = os.waitstatus_to_exitcode(os.waitpid(child(work, board, log), 0)[1])
    said = workshop.last_line(log)
    assert Board(board).count("rename") and code in (0, 2) and "memory" in said, f"ended with {code}: {said}"
    generate(study, starved)
    generate(study, whole, batch_size=1)
    shas = [workshop._shas(own.images_dir) for own in (starved, whole)]
    assert shas[0] == shas[1] and len(shas[0]) == 7, "images differ"
    return Met(said, "nothing: the same bytes" if code == 0 else "in the memory that it needs: the same bytes")


SCENARIOS: dict[str, Callable[[Workshop], Met]] = {
    "disk full": disk_full,
    "disk read-only": disk_read_only,
    "corrupted PNG": damaged_image,
    "corrupted images.parquet": damaged_table,
    "corrupted scores": damaged_scores,
    "corrupted manifest.json": damaged_manifest,
    "corrupted page, SQLite": damaged_page_of_sqlite,
    "corrupted page, PostgreSQL": damaged_page_of_postgres,
    "two processes on one run": two_processes,
    "clock jumps, votes": clock_of_votes,
    "clock set back, run": clock_of_a_run,
    "out of memory": memory,
}
