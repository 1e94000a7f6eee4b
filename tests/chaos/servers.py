"""kill -9 of the raters' app and of PostgreSQL under load: acknowledged votes are there, once; the crowd goes on."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from evalkit.errors import NotSavedError, VotingError
from evalkit.settings import Settings
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import seals, serving, simulate, simulate_served
from evalkit.voting.panelists import USUAL, panelist
from evalkit.voting.server import _free_port, _wait, command
from evalkit.voting.simulate_served import Panel
from tests.app.serving import OpenStudy, open_trial
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.kills import Tally
from tests.chaos.phases import Board, Hooks
from tests.conftest import ROOT
from tests.voting.studies import Trial, freeze, write_study

SITE = Path(__file__).parent / "site"
CROWD = 12


def new_checkout(root: Path) -> Path:
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data/questions", root / "data/questions")
    return root


@dataclass
class App:
    """The raters' app in a process that says its phase, may be killed, and is started again at the same port."""

    settings: Settings
    folder: Path
    port: int
    fault: str = ""

    def start(self, stop: str) -> subprocess.Popen[bytes]:
        more = {"PYTHONPATH": f"{SITE}:{ROOT}", "CHAOS_BOARD": str(self.board), "CHAOS_STOP": stop}
        environment = self.settings.environment() | more | {"CHAOS_FAULT": self.fault}
        log = self.folder / "app.log"
        with log.open("ab") as out:
            words = command("rater", self.port, "127.0.0.1")
            process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=out)
        _wait(f"http://127.0.0.1:{self.port}/healthz", process, log)
        return process

    @property
    def board(self) -> Path:
        return self.folder / "board"


def app_killed(root: Path, rounds: int, seed: int, *, fault: str = "", until: float = math.inf) -> Tally:
    """One crowd votes, while the app is killed under it again and again; half of the kills inside a commit.

    Args:
        until: no further round begins after this moment (time.monotonic).
    """
    settings = Settings(root=new_checkout(root), _env_file=None)
    study = open_trial(settings, images=1, raters=2)
    tally, dice, started = Tally("app", wanted=rounds), random.Random(f"app {seed}"), time.monotonic()
    app, over = App(settings, root, _free_port(), fault), threading.Event()
    heard: Counter[tuple[int, str]] = Counter()
    crowd = threading.Thread(target=_crowd, args=[study, f"http://127.0.0.1:{app.port}", heard, over, tally.faults])
    for number in takewhile(lambda _: time.monotonic() < until, range(rounds)):
        stop = f"commit:{dice.randint(5, 60)}" if number % 2 else ""
        process = app.start(stop)
        if not crowd.is_alive() and number == 0:
            crowd.start()
        _kill_app(process, Board(app.board), dice, tally, aimed=bool(stop))
    process = app.start("")
    over.set()
    if crowd.ident:
        crowd.join(240)
    tally.faults += ["the crowd did not come to an end"] if crowd.is_alive() else []
    process.kill()
    process.wait()
    tally.faults += _lost(study.engine, study.study_id, heard)
    study.engine.dispose()
    tally.seconds = time.monotonic() - started
    return tally


def _kill_app(process: subprocess.Popen[bytes], board: Board, dice: random.Random, tally: Tally, aimed: bool) -> None:
    until = time.monotonic() + (20 if aimed else dice.uniform(0.2, 2.0))
    while time.monotonic() < until and not board.paused:
        time.sleep(0.001)
    tally.landed[board.phase()] += 1
    tally.kills += 1
    process.kill()
    process.wait()


def _crowd(
    study: OpenStudy, address: str, heard: Counter[tuple[int, str]], over: threading.Event, faults: list[str]
) -> None:
    """Panels, one after the other, until it is over; what each was told is stored."""
    wave = 0
    while not over.is_set():
        members = _newcomers(study, wave)
        try:
            told = simulate_served.vote(address, Panel(members, lambda key, question: 0.0, at_once=CROWD))
        except Exception as error:
            faults.append(f"a rater could not go on: {type(error).__name__}: {error}")
            return
        heard.update(told.votes.keys())
        wave += 1


def _newcomers(study: OpenStudy, wave: int) -> list[tuple[str, object]]:
    from evalkit.store.tables import StudyRow
    from evalkit.voting import invites, stored

    now = datetime.now(UTC)
    with db.session(study.engine) as session:
        row = session.get_one(StudyRow, study.study_id)
        stored.draw_more(session, row, CROWD, f"wave {wave}", now, simulated=True)
        made = invites.invite(session, study.study_id, count=CROWD, valid_days=1, now=now, simulated=True)
        arrived = [(simulate._arrive(session, invite, now), invite.token) for invite in made]
    return [(token, panelist(number, wave, USUAL)) for number, (_, token) in enumerate(arrived)]


def _lost(engine: Engine, study_id: int, heard: Counter[tuple[int, str]]) -> list[str]:
    """Acknowledged votes that are not stored once; and whether log and design are unbroken."""
    with db.session(engine, reading=True) as session:
        query = (
            select(VoteRow.assignment_id, VoteRow.question, func.count())
            .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
            .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
            .where(SheetRow.study_id == study_id)
            .group_by(VoteRow.assignment_id, VoteRow.question)
        )
        there = {(assignment, question): count for assignment, question, count in session.execute(query)}
        faults = seals.verify(session, study_id)
    lost = sum(1 for one in heard if one not in there)
    twice = sum(1 for count in there.values() if count != 1)
    return faults + ([f"{lost} votes lost"] if lost else []) + ([f"{twice} votes doubled"] if twice else [])


def postgres_killed(root: Path, rounds: int, seed: int, *options: str, until: float = math.inf) -> Tally:
    """Twelve raters vote through the voting layer, while PostgreSQL is killed whole and recovers. `until`: as above."""
    tally, dice, started = Tally("PostgreSQL", wanted=rounds), random.Random(f"postgres {seed}"), time.monotonic()
    board = root / "board"
    with cluster(root / "cluster", *options) as server:
        engine = db.open_engine(server.url)
        db.upgrade(engine)
        own = Settings(root=new_checkout(root / "checkout"), _env_file=None)
        trial = freeze(engine, write_study(own.root, prompt_count=80, images=2, raters=CROWD), own)
        raters, told = trial.arrive(CROWD), Board(board, new=True)
        heard: Counter[tuple[int, str]] = Counter()
        over, gate, hooks = threading.Event(), threading.Event(), Hooks(told)
        gate.set()
        with _clients(hooks):
            crowd = [
                threading.Thread(target=_vote, args=[trial, rater, heard, over, gate, tally.faults]) for rater in raters
            ]
            for one in crowd:
                one.start()
            for _ in takewhile(lambda _: time.monotonic() < until, range(rounds)):
                _kill_server(server, told, dice, tally)
                gate.clear()  # what is lost now must not be voted again before it is counted
                server.start()
                tally.faults += _lost(engine, trial.study_id, Counter(heard))
                gate.set()
            over.set()
            for one in crowd:
                one.join(120)
        tally.faults += ["a rater did not come to an end"] if any(one.is_alive() for one in crowd) else []
        tally.faults += _lost(engine, trial.study_id, heard)
        engine.dispose()
    tally.seconds = time.monotonic() - started
    return tally


@contextmanager
def _clients(hooks: Hooks) -> Iterator[None]:
    """The voters of this process say their phases."""
    from sqlalchemy.engine.default import DefaultDialect

    from tests.chaos.phases import _hook_commits

    whole = DefaultDialect.do_begin, DefaultDialect.do_commit, DefaultDialect.do_rollback
    _hook_commits(hooks)
    try:
        yield
    finally:
        DefaultDialect.do_begin, DefaultDialect.do_commit, DefaultDialect.do_rollback = whole  # type: ignore[method-assign]


def _kill_server(server: Cluster, told: Board, dice: random.Random, tally: Tally) -> None:
    """At a random moment; in half of the rounds, at the next moment at which a client waits for its commit."""
    time.sleep(dice.uniform(0.2, 1.2))
    until = time.monotonic() + 5
    while tally.kills % 2 and told.phase() != "commit" and time.monotonic() < until:
        time.sleep(0.0002)
    tally.landed[told.phase()] += 1
    tally.kills += 1
    server.kill()


def _vote(
    trial: Trial,
    rater: int,
    heard: Counter[tuple[int, str]],
    over: threading.Event,
    gate: threading.Event,
    faults: list[str],
) -> None:
    """Answers and goes on, until it is over; what the database took, it has heard."""
    while not over.is_set():
        try:
            if not _comparison(trial, rater, heard, gate):
                return
        except VotingError as error:  # what it had been given was taken back
            faults.append(f"a rater was refused: {error}")


def _comparison(trial: Trial, rater: int, heard: Counter[tuple[int, str]], gate: threading.Event) -> bool:
    """One comparison; False once there is none left."""
    now = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
    shown = _until_saved(trial.engine, gate, lambda session: serving.next_comparison(session, rater, now))
    if shown is None:
        return False
    for question in shown.questions:
        choice = random.choice(("left", "right", "tie"))

        def cast(session, question=question, choice=choice):
            serving.cast(session, rater, shown.assignment_id, question.name, choice, 9, now, "test")

        _until_saved(trial.engine, gate, cast)
        heard[shown.assignment_id, question.name] += 1
        time.sleep(0.1)
    _until_saved(trial.engine, gate, lambda session: serving.finish(session, rater, shown.assignment_id, now))
    return True


def _until_saved(engine: Engine, gate: threading.Event, work: Callable[..., Any]) -> Any:
    """As the app does: what was not saved is tried again."""
    until = time.monotonic() + 100
    while True:
        gate.wait()
        try:
            with db.session(engine) as session:
                done = work(session)
            return done
        except NotSavedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
