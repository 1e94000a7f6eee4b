"""The raters' app under a crowd for a long time: is its memory flat, is no vote lost?

    make soak MINUTES=60        (python -m tests.benchmarks.soak --minutes 60 --write)

Waves of simulated raters (40 at once, each ten times faster than people) vote at the served app over its websocket and
its POST route. The app's memory is read every few seconds; its slope is that of a line through all but the first fifth.
At the end every acknowledged vote is looked for in the database, and the study's log is verified.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalkit.settings import Settings
from evalkit.voting import simulate_served
from evalkit.voting.panelists import Temper
from evalkit.voting.server import _free_port, _wait, command
from evalkit.voting.simulate_served import Panel
from tests.app.serving import OpenStudy, open_trial
from tests.benchmarks.machine import described
from tests.chaos.servers import _lost, _newcomers, new_checkout
from tests.conftest import ROOT

RESULTS = Path(__file__).with_suffix(".md")
AT_ONCE, SPEED, EVERY = 40, 10.0, 3.0


@dataclass
class Soak:
    """What was heard and seen. `memory`: (seconds, megabytes resident)."""

    heard: Counter[tuple[int, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    raters: int = 0
    again: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """Megabytes an hour, by least squares, the first fifth left out."""
        late = self.memory[len(self.memory) // 5 :]
        return float(np.polyfit(*np.array(late).T, 1)[0]) * 3600 if len(late) > 2 else float("nan")


def megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def watch(pid: int, found: Soak, over: threading.Event) -> None:
    started = time.monotonic()
    while not over.wait(EVERY):
        found.memory.append((time.monotonic() - started, megabytes(pid)))


def waves(study: OpenStudy, address: str, until: float, found: Soak) -> None:
    """Panel after panel, until it is time; those at work then leave their sheets."""
    wave = 0
    while time.monotonic() < until:
        members = [one for _ in range(AT_ONCE // 10) for one in _newcomers(study, random.randrange(10**6))]
        panel = Panel(
            members, lambda key, question: 0.0, Temper(seconds=4.0, drop_out=0.1), speed=SPEED, at_once=AT_ONCE,
            until=until,
        )  # fmt: skip
        told = simulate_served.vote(address, panel)
        found.heard.update(told.votes.keys())
        found.seconds += told.seconds
        found.raters, found.again, wave = found.raters + len(members), found.again + told.again, wave + 1


def soak(folder: Path, minutes: float) -> Soak:
    study = open_trial(Settings(root=new_checkout(folder / "checkout"), _env_file=None), images=2, raters=2)
    port, log, found, over = _free_port(), folder / "log", Soak(), threading.Event()
    with log.open("wb") as out:
        words, environment = command("rater", port, "127.0.0.1"), study.settings.environment()
        server = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz", server, log)
        watcher = threading.Thread(target=watch, args=[server.pid, found, over])
        watcher.start()
        waves(study, f"http://127.0.0.1:{port}", time.monotonic() + 60 * minutes, found)
    finally:
        over.set()
        server.terminate()
        server.wait()
    watcher.join()
    found.faults = _lost(study.engine, study.study_id, found.heard)
    return found


def page(found: Soak, minutes: float) -> str:
    half, most, all_ = 1000 * np.quantile(found.seconds, [0.5, 0.95, 1])
    first, last = found.memory[len(found.memory) // 5][1], found.memory[-1][1]
    rows = [
        ("minutes", f"{minutes:g}"),
        ("raters", f"{found.raters:,}"),
        ("answers acknowledged", f"{len(found.heard):,}"),
        ("lost, doubled, or a broken log", "; ".join(found.faults) or "0"),
        ("answers sent again", f"{found.again:,}"),
        ("acknowledged in, ms (median, 95 %, slowest)", f"{half:.0f}, {most:.0f}, {all_:.0f}"),
        ("the app's memory, MB: after a fifth of the time, at the end", f"{first:.0f}, {last:.0f}"),
        ("slope of memory, MB an hour", f"{found.slope:+.0f} (n = {len(found.memory)} readings)"),
    ]
    text = (__doc__ or "").split("\n\n")[2].strip()
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"# Soak\n\n{text}\n\nMachine: {described()}; crowd and app on it.\n\n| | |\n|---|---|\n{table}\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalkit-soak-") as name:
        found = soak(Path(name), asked.minutes)
    text = page(found, asked.minutes)
    print(text)
    if asked.write:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
