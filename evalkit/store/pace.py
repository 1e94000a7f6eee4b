"""progress.json: how far the stage that works on a run has come, for those who look at it from outside."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from evalkit.errors import UnavailableError
from evalkit.outcome import Progress
from evalkit.store.files import write_text

NAME = "progress.json"
EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Pace:
    """`done` of `total` things after `seconds`, of which `before` were done when the clock was started."""

    what: str
    done: int
    total: int
    before: int
    seconds: float

    @property
    def per_second(self) -> float | None:
        """None until something was done."""
        return (self.done - self.before) / self.seconds if self.seconds and self.done > self.before else None

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.per_second if self.per_second else None


def watched(folder: Path, progress: Progress) -> Progress:
    """The same progress, written down beside the run every two seconds. A disk without room stops no stage here."""
    clocks: dict[str, tuple[float, int]] = {}
    written = 0.0

    def told(what: str, done: int, total: int) -> None:
        nonlocal written
        progress(what, done, total)
        now = time.monotonic()
        began, before = clocks.setdefault(what, (now, done))
        if now - written >= EVERY_SECONDS:
            written = now
            _write(folder / NAME, Pace(what, done, total, before, round(now - began, 3)))

    return told


def read(folder: Path) -> Pace | None:
    """What was written last; None where nothing was, or nothing whole."""
    try:
        return Pace(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, pace: Pace) -> None:
    try:
        write_text(path, json.dumps(asdict(pace)) + "\n")
    except UnavailableError:
        return
