"""A PostgreSQL of our own that may be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Cluster:
    """A PostgreSQL of our own, with all its safety on, which is killed whole and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        self.binaries, self.folder, self.data = found[-1].parent, folder, folder / "data"
        folder.mkdir(parents=True)
        for parent in (folder, *folder.parents):
            if parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(parent.stat().st_mode | 0o005)
        self._owner: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            self._owner = ["runuser", "-u", "postgres", "--"]
        words = [
            str(self.binaries / "initdb"),
            "-D",
            str(self.data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-k",
        ]
        subprocess.run([*self._owner, *words], check=True, capture_output=True, cwd="/tmp")
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "120"}
        settings["recovery_init_sync_method"] = "syncfs"
        settings |= dict(option.split("=", 1) for option in options)
        self._options = " ".join(f"-c {name}={value}" for name, value in settings.items())

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        words = [str(self.binaries / "pg_ctl"), "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-t", "60"]
        command_ = [*self._owner, *words, "-o", self._options, "start"]
        for _ in range(20):  # the last of those that were killed may still hold its memory
            if not subprocess.run(command_, check=False, stdout=subprocess.DEVNULL, cwd="/tmp").returncode:
                return
            time.sleep(0.25)
        raise AssertionError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-500:]}")

    def kill(self) -> None:
        """kill -9 of every process of it, all at once as a machine's crash would, the disk's cache excepted."""
        _gone(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        while left := self._processes():  # one that was begun in between, too
            for pid in left:
                _gone(pid)
            time.sleep(0.01)
        for lock in (self.data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)  # the number in it is still known to the system for a while, and is nobody's

    def _processes(self) -> list[int]:
        """The processes of this server: they work in its folder. The dead, of whom nobody has asked yet, do not."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self.data:
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def stop(self) -> None:
        words = [str(self.binaries / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop"]
        subprocess.run([*self._owner, *words], check=False, capture_output=True, cwd="/tmp")


def _gone(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def cluster(folder: Path, *options: str) -> Iterator[Cluster]:
    made = Cluster(folder, *options)
    made.start()
    try:
        yield made
    finally:
        made.stop()
