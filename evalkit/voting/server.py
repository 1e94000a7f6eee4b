"""The processes that serve the two apps: how each is started, and one that lives as long as a block of code."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evalkit.errors import UnavailableError
from evalkit.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0


def command(which: str, port: int, address: str) -> list[str]:
    """The words that start the server of `rater` or `researcher`, from the checkout's folder."""
    server = [f"--server.port={port}", f"--server.address={address}", "--browser.serverAddress=localhost"]
    return [sys.executable, "-m", "streamlit", "run", f"app/{which}.py", *server]


@contextmanager
def served(which: str, settings: Settings, log: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of an app that is served, on a free port of this machine, until the block ends.

    Args:
        log: the file that takes what the server says.
        more: environment variables beside the settings.

    Raises:
        UnavailableError: it does not start.
    """
    port = _free_port()
    environment = settings.environment() | dict(more or {})
    with log.open("wb") as out:
        server = subprocess.Popen(
            command(which, port, "127.0.0.1"), cwd=CHECKOUT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(health: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the server answers."""
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise UnavailableError(f"the app does not start: {' '.join(said)}", where=str(log))
