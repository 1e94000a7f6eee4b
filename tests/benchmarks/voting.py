"""How many raters one server bears: evalkit's raters' app and the plain st.image app, in one run on one machine.

    python -m tests.benchmarks.voting --evalkit 100 200 400 --plain 10 20 40

Each rater opens the page, holds a websocket, loads both pictures of a comparison, gives two answers and goes on, one
comparison in ten seconds; they arrive over ten seconds, each at a moment of their own. One visit before the first
stage warms the server. An answer is acknowledged when the browser may say "Saved": evalkit once it is committed, the
plain app once the run of its script is through. Answers are counted in the database afterwards. Capacity: the largest
number of raters at which 95 % of answers are acknowledged in under a second, and none is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import func, select

from evalkit.settings import Settings
from evalkit.store import db
from evalkit.store.tables import VoteRow
from evalkit.voting import invites, serving
from evalkit.voting.server import command
from evalkit.voting.tab import Tab
from tests.app.serving import OpenStudy, open_trial
from tests.conftest import ROOT

PACE, COMPARISONS, WITHIN = 10.0, 3, 1.0
"""Seconds a comparison; comparisons a rater and stage; seconds in which 95 % must be acknowledged"""
RESULTS = Path(__file__).with_suffix(".md")


@dataclass
class Stage:
    """What one number of raters met."""

    app: str
    raters: int
    acknowledged: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    failed: int = 0
    stored: int = 0
    server_cpu: float = 0.0
    client_cpu: float = 0.0
    seconds: float = 0.0

    @property
    def bears(self) -> bool:
        enough = len(self.acknowledged) == 2 * COMPARISONS * self.raters == self.stored and not self.failed
        return enough and float(np.quantile(self.acknowledged, 0.95)) < WITHIN

    def row(self) -> str:
        half, most, all_ = 1000 * np.quantile(self.acknowledged or [np.nan], [0.5, 0.95, 1])
        pair, page = (1000 * np.quantile(times or [np.nan], 0.95) for times in (self.shown, self.opened))
        lost = len(self.acknowledged) - self.stored
        cpu = f"{100 * self.server_cpu / self.seconds:.0f} % | {100 * self.client_cpu / self.seconds:.0f} %"
        times = f"{half:.0f} | {most:.0f} | {all_:.0f} | {pair:.0f} | {page:.0f}"
        verdict = "yes" if self.bears else "no"
        return f"| {self.app} | {self.raters} | {len(self.acknowledged)} | {lost} | {times} | {cpu} | {verdict} |"


Work = Callable[[int, Stage], Awaitable[None]]


async def stage(app: str, raters: int, work: Work, server: int) -> Stage:
    """All raters at once, each at its own moment of the pace."""
    found = Stage(app, raters)
    used, own, started = cpu_seconds(server), time.process_time(), time.monotonic()
    await asyncio.gather(*(work(number, found) for number in range(raters)))
    found.seconds = time.monotonic() - started
    found.server_cpu, found.client_cpu = cpu_seconds(server) - used, time.process_time() - own
    return found


def cpu_seconds(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


async def paced(number: int, raters: int, comparison: Callable[[], Awaitable[None]]) -> None:
    """COMPARISONS of them, PACE seconds apart, the raters spread evenly over it."""
    begin = time.monotonic() + PACE * (number + random.random()) / raters
    for turn in range(COMPARISONS):
        await asyncio.sleep(max(0.0, begin + PACE * turn - time.monotonic()))
        await comparison()


def consented(study: OpenStudy, raters: int) -> list[invites.Invite]:
    """Raters who have agreed to take part."""
    with db.session(study.engine) as session:
        made = invites.invite(session, study.study_id, count=raters, valid_days=1, now=datetime.now(UTC))
        for invite in made:
            serving.consent(session, invite.rater_id, "1", datetime.now(UTC))
    return made


async def opened(tab: Tab, number: int, raters: int, stage: Stage) -> None:
    """Opens the page, when it is this rater's moment to arrive."""
    await asyncio.sleep(PACE * number / raters)
    started = time.monotonic()
    await tab.open()
    stage.opened.append(time.monotonic() - started)


def evalkit_work(study: OpenStudy, address: str, raters: int) -> Work:
    """A rater of the served study, who has consented already."""
    made = consented(study, raters)

    async def work(number: int, stage: Stage) -> None:
        tab, token = Tab(address, f"t={made[number].token}&step=go"), made[number].token
        await opened(tab, number, raters, stage)
        while tab.component is None:  # an overloaded server may say that something went wrong; one loads the page again
            stage.failed += 1
            await asyncio.sleep(2)
            await tab.run()
        shown, letters = [tab.component["comparison"]], iter(range(10**6))

        async def send(**action: object) -> dict:
            outbox = [{"id": str(next(letters)), "assignment": shown[-1]["assignment"], **action}]
            started = time.monotonic()
            while True:  # as the page does: what was not saved is sent again, and the clock runs on
                status, body = await tab.web.post("/answers", {"token": token, "lang": "en", "outbox": outbox})
                if status != 503:
                    break
                await asyncio.sleep(1)
            if status != 200 or set(json.loads(body)["acknowledged"].values()) != {None}:
                stage.failed += 1
            elif action["do"] == "cast":
                stage.acknowledged.append(time.monotonic() - started)
            return json.loads(body)

        async def pictures() -> None:
            for side in ("left", "right"):
                status, _ = await tab.web.get(shown[-1][side])
                stage.failed += status != 200

        async def comparison() -> None:
            for question in shown[-1]["questions"]:
                await asyncio.sleep(PACE / 4 * random.random())
                await send(do="cast", question=question["name"], choice="left", response_ms=900)
            started = time.monotonic()
            shown.append((await send(do="finish"))["comparison"])
            await pictures()
            stage.shown.append(time.monotonic() - started)

        await pictures()
        await paced(number, raters, comparison)
        await tab.close()

    return work


def plain_work(address: str, raters: int) -> Work:
    """A rater of the plain app."""

    async def work(number: int, stage: Stage) -> None:
        tab, pair = Tab(address), iter(range(10**6))
        await opened(tab, number, raters, stage)

        async def pictures() -> None:
            for url in tab.images:
                status, _ = await tab.web.get(url)
                stage.failed += status != 200

        async def comparison() -> None:
            now = next(pair)
            for question in ("aesthetics", "alignment"):
                await asyncio.sleep(PACE / 4 * random.random())
                started = time.monotonic()
                await tab.run(f"{question}{now}", string_value="left")
                stage.acknowledged.append(time.monotonic() - started)
            started = time.monotonic()
            await tab.run("next", trigger_value=True)
            await pictures()
            stage.shown.append(time.monotonic() - started)

        await pictures()
        await paced(number, raters, comparison)
        await tab.close()

    return work


async def warm(address: str, query: str = "") -> None:
    """One visit, so that a server that has just started has loaded what it needs."""
    tab = Tab(address, query)
    await tab.open()
    await tab.close()


@contextmanager
def server(words: list[str], environment: dict[str, str], port: int, log: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a served app."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait()
            print(*log.read_text().splitlines()[-6:], sep="\n", file=sys.stderr)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_evalkit(study: OpenStudy, numbers: list[int], folder: Path) -> list[Stage]:
    port = free_port()
    words, found = command("rater", port, "127.0.0.1"), []
    with server(words, study.settings.environment(), port, folder / "evalkit.log") as (address, pid):
        asyncio.run(warm(address, f"t={consented(study, 1)[0].token}&step=go"))
        for raters in numbers:
            before = votes(study)
            result = asyncio.run(stage("evalkit", raters, evalkit_work(study, address, raters), pid))
            result.stored = votes(study) - before
            found.append(result)
            print(result.row(), flush=True)
    return found


def votes(study: OpenStudy) -> int:
    with db.session(study.engine, reading=True) as session:
        return session.scalar(select(func.count(VoteRow.id)))


def run_plain(images: Path, numbers: list[int], folder: Path) -> list[Stage]:
    port, database, found = free_port(), folder / "plain.db", []
    words = [sys.executable, "-m", "streamlit", "run", "tests/benchmarks/plain_voting_app.py", f"--server.port={port}"]
    environment = {**os.environ, "PLAIN_IMAGES": str(images), "PLAIN_DATABASE": str(database)}
    with server(words, environment, port, folder / "plain.log") as (address, pid):
        asyncio.run(warm(address))
        for raters in numbers:
            before = plain_votes(database)
            result = asyncio.run(stage("plain st.image", raters, plain_work(address, raters), pid))
            result.stored = plain_votes(database) - before
            found.append(result)
            print(result.row(), flush=True)
    return found


def plain_votes(database: Path) -> int:
    if not database.is_file():
        return 0
    with sqlite3.connect(database) as opened:
        return int(opened.execute("SELECT count(*) FROM vote").fetchone()[0])


def new_study(folder: Path, raters: int) -> OpenStudy:
    for name in ("studies", "data/models", "data/prompts"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(ROOT / "data/questions", folder / "data/questions")
    return open_trial(Settings(root=folder, _env_file=None), images=4, raters=raters)


HEAD = (
    "| app | raters | answers acknowledged | lost | median, ms | 95 %, ms | slowest, ms | next pair 95 %, ms"
    " | page 95 %, ms | server CPU | client CPU | bears it |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def report(stages: list[Stage]) -> str:
    """The table, the capacities and their ratio."""
    most = {
        app: max((s.raters for s in stages if s.app == app and s.bears), default=0)
        for app in dict.fromkeys(s.app for s in stages)
    }
    said = "; ".join(f"{app}: {raters} raters" for app, raters in most.items())
    ours, plain = most.get("evalkit", 0), most.get("plain st.image", 0)
    ratio = f" {ours / plain:.1f} times as many." if plain else ""
    return "\n".join([HEAD, *(stage.row() for stage in stages), "", f"Capacity: {said}.{ratio}"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--evalkit", type=int, nargs="*", default=[100, 200, 300, 400])
    options.add_argument("--plain", type=int, nargs="*", default=[10, 20, 30, 40])
    options.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalkit-load-") as name:
        folder = Path(name)
        study = new_study(folder / "checkout", sum(chosen.evalkit) + 1)
        print(HEAD, flush=True)
        ours = run_evalkit(study, chosen.evalkit, folder)
        theirs = run_plain(study.settings.data_dir / "voting", chosen.plain, folder)
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, client and server on it"
    )
    text = report([*ours, *theirs])
    print(text)
    if chosen.write:
        docstring = (__doc__ or "").split("\n\n")
        RESULTS.write_text(f"# Raters that one server bears\n\n{docstring[2]}\nMachine: {machine}.\n\n{text}\n")


if __name__ == "__main__":
    main()
