"""What a process is doing, told through shared memory, so that it is known of one that was killed.

`install` hooks the places where files and databases are written; nothing of it is in evalkit itself. A pause can be
planted: the process then stops inside a phase, a file half-written, and waits for its end.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PHASES = ("elsewhere", "write", "sync", "rename", "transaction", "commit")
SLOTS, COUNTS, PAUSED = 16, 64, 128  # a byte for each thread; eight for each phase; one
SIZE = 256


class Board:
    """The shared page: what each thread does, how often each phase was entered, whether a planted pause was reached."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        if new:
            path.write_bytes(b"\0" * SIZE)
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), SIZE)

    def enter(self, slot: int, phase: str) -> int:
        """Notes the phase of a thread; gives how often that phase was entered, this time included."""
        place = COUNTS + 8 * PHASES.index(phase)
        (count,) = struct.unpack_from("<q", self._page, place)
        struct.pack_into("<q", self._page, place, count + 1)
        self._page[slot % SLOTS] = PHASES.index(phase)
        return int(count) + 1

    def leave(self, slot: int, to: str) -> None:
        self._page[slot % SLOTS] = PHASES.index(to)

    def pause(self) -> None:
        self._page[PAUSED] = 1

    @property
    def paused(self) -> bool:
        return bool(self._page[PAUSED])

    def phase(self) -> str:
        """The furthest phase that a thread is in: commit before write before elsewhere."""
        return PHASES[max(self._page[:SLOTS])]

    def count(self, phase: str) -> int:
        return int(struct.unpack_from("<q", self._page, COUNTS + 8 * PHASES.index(phase))[0])


class Hooks:
    """The phases of this process. `stop`: (phase, n): wait to be killed at the n-th time, inside it."""

    def __init__(self, board: Board, stop: tuple[str, int] | None = None) -> None:
        self.board, self.stop, self._threads = board, stop, threading.local()
        self._slots, self._lock = iter(range(10**9)), threading.Lock()

    @property
    def slot(self) -> int:
        if not hasattr(self._threads, "slot"):
            with self._lock:
                self._threads.slot = next(self._slots)
            self._threads.inside = "elsewhere"
        return int(self._threads.slot)

    @contextmanager
    def phase(self, name: str) -> Iterator[bool]:
        """Gives whether it is here that the process shall stop."""
        slot = self.slot
        outer, self._threads.inside = self._threads.inside, name
        with self._lock:
            nth = self.board.enter(slot, name)
        try:
            yield self.stop == (name, nth)
        finally:
            self._threads.inside = outer
            self.board.leave(slot, outer)

    def wait_for_the_end(self) -> None:
        self.board.pause()
        while True:
            time.sleep(60)


def install(board: Board, stop: tuple[str, int] | None = None) -> Hooks:
    """Hooks writes of whole files (evalkit.store.files) and commits (SQLAlchemy) of this process."""
    hooks = Hooks(board, stop)
    _hook_files(hooks)
    _hook_commits(hooks)
    return hooks


def _hook_files(hooks: Hooks) -> None:
    from evalkit.store import files

    class Half:
        """A file that stops half-way through its content, if it is to."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, content: Any) -> int:
            with hooks.phase("write") as here:
                if here:
                    self._file.write(bytes(content)[: len(content) // 2])
                    self._file.flush()
                    hooks.wait_for_the_end()
                return int(self._file.write(content))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Half:
            self._file.__enter__()
            return self

        def __exit__(self, *error: Any) -> None:
            self._file.__exit__(*error)

    class Watched(type(Path())):  # type: ignore[misc]
        """A temporary name whose writing and renaming are phases."""

        def open(self, *words: Any, **more: Any) -> Any:
            return Half(super().open(*words, **more))

        def replace(self, target: Any) -> Any:
            return _through(hooks, "rename", lambda: super(Watched, self).replace(target))

    class Os:
        def fsync(self, descriptor: int) -> None:
            _through(hooks, "sync", lambda: os.fsync(descriptor))

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    files.os = Os()  # type: ignore[assignment]
    files.temporary_name = lambda path, _real=files.temporary_name: Watched(_real(path))


def _hook_commits(hooks: Hooks) -> None:
    from sqlalchemy.engine.default import DefaultDialect

    begin, commit, rollback = DefaultDialect.do_begin, DefaultDialect.do_commit, DefaultDialect.do_rollback

    def do_commit(dialect: Any, connection: Any) -> None:
        _through(hooks, "commit", lambda: commit(dialect, connection))
        hooks.board.leave(hooks.slot, "elsewhere")

    def do_begin(dialect: Any, connection: Any) -> None:
        hooks.board.enter(hooks.slot, "transaction")
        begin(dialect, connection)

    def do_rollback(dialect: Any, connection: Any) -> None:
        rollback(dialect, connection)
        hooks.board.leave(hooks.slot, "elsewhere")

    DefaultDialect.do_begin, DefaultDialect.do_commit = do_begin, do_commit  # type: ignore[method-assign]
    DefaultDialect.do_rollback = do_rollback  # type: ignore[method-assign]


def _through(hooks: Hooks, name: str, work: Callable[[], Any]) -> Any:
    with hooks.phase(name) as here:
        if here:
            hooks.wait_for_the_end()
        return work()


def child(job: Callable[[], None], board: Path, log: Path, stop: tuple[str, int] | None = None) -> int:
    """Forks a process that does a job and ends: 0 done, 1 a traceback, 2 a readable error. Gives its number."""
    Board(board, new=True)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with log.open("a") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        install(Board(board), stop)
        job()
        code = 0
    except BaseException as error:
        code = _report(error)
    finally:
        os._exit(code)


def _report(error: BaseException) -> int:
    import sys
    import traceback

    from evalkit.errors import EvalkitError

    readable = isinstance(error, EvalkitError)
    print(str(error) if readable else "".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    return 2 if readable else 1


def kill(pid: int) -> None:
    """kill -9, and waits until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


CONTENT = (".png", ".parquet", ".webp", ".html", ".csv", ".svg", ".md", ".tex", ".pdf")


@contextmanager
def careless() -> Iterator[None]:
    """The planted fault: content is written in place, and a file that is there counts as done."""
    from evalkit.store import files

    whole, rename, unlink = files.temporary_name, Path.replace, Path.unlink

    def name(path: Path) -> Path:
        if path.suffix not in CONTENT:
            return whole(path)
        return path.with_name(f".{path.name}.thrown-away.tmp") if path.exists() else path

    def replace(path: Path, target: Any) -> Path:
        if path.name.endswith(".thrown-away.tmp"):
            path.unlink()
            return path
        return path if str(path) == str(target) else rename(path, target)

    def remove(path: Path, missing_ok: bool = False) -> None:
        if not (missing_ok and path.suffix in CONTENT):  # what a writer sweeps at its end is the content itself
            unlink(path, missing_ok)

    files.temporary_name, Path.replace, Path.unlink = name, replace, remove  # type: ignore[method-assign]
    try:
        yield
    finally:
        files.temporary_name, Path.replace, Path.unlink = whole, rename, unlink  # type: ignore[method-assign]
