"""kill -9 of a Ray node, with all its processes, while two of them draw: the other goes on, and no byte differs."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalkit.engines import ray as engine
from evalkit.stages.generate import generate
from tests.chaos import workshop
from tests.chaos.kills import AIMED, SECONDS, Tally, UnfitError
from tests.chaos.phases import Board
from tests.chaos.workshop import Workshop
from tests.conftest import ROOT
from tests.engines.clusters import nodes

SITE = Path(__file__).parent / "site"
NAME, SIZE, IMAGES, TWIN_ROUNDS = "a Ray node", 256, 4, 3
QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""A dead node is seen in seconds, instead of half a minute"""


def there() -> bool:
    """Whether Ray is installed."""
    return find_spec("ray") is not None


def node_killed(root: Path, rounds: int, seed: int, *, planted: bool = False, until: float = math.inf) -> Tally:
    """Kills a node so many times, each a new one beside one that stays; every other time aimed at a phase.

    Args:
        planted: in the end, kill one whose workers write in place (see site/sitecustomize.py); that must be seen.
        until: no further round begins after this moment (time.monotonic).
    """
    shop, dice = _study(root), random.Random(f"{NAME} {seed}")
    tally, started = Tally(NAME, wanted=rounds), time.monotonic()
    with nodes(1, system=QUICK) as cluster:
        trial = _Trial(shop, cluster)
        counts, duration = trial.undisturbed()
        while tally.kills < rounds and time.monotonic() < until:
            phase = dice.choice(AIMED) if tally.kills % 2 == 0 else ""
            stop = (phase, dice.randint(1, max(1, counts[phase] // 2))) if phase else None
            trial.round(tally, stop, dice.uniform(0, duration))
            if tally.too_late > 5 * rounds:
                tally.faults.append("the command was always through before the node was killed")
                break
        if planted and time.monotonic() < until:
            tally.planted = trial.twin()
    tally.seconds = time.monotonic() - started
    return tally


def _study(root: Path) -> Workshop:
    """A study that takes seconds to draw, drawn by one process in `whole`."""
    from tests.stages.drawing import procedural

    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "data/questions", root / "data/questions", dirs_exist_ok=True)
    procedural(root, images=IMAGES, sampling={"width": SIZE, "height": SIZE})
    shop = Workshop(root)
    shop.generate("whole")
    return shop


@dataclass
class _Trial:
    shop: Workshop
    cluster: Any
    fault: str = ""
    made: int = 0
    """nodes so far"""

    def undisturbed(self) -> tuple[dict[str, int], float]:
        """How often the workers of a node enter each phase, and how long the command takes."""
        node, board = self._new(None)
        started = time.monotonic()
        self._draw("calm")
        took = time.monotonic() - started
        if wrong := workshop.wrong_images(self.shop, "calm"):
            raise UnfitError(f"undisturbed, two nodes end with {wrong[0]}")
        _kill(self.cluster, node)
        return {phase: board.count(phase) for phase in AIMED}, took

    def round(self, tally: Tally, stop: tuple[str, int] | None, moment: float) -> None:
        node, board = self._new(stop)
        ended, landed = threading.Event(), list[str]()

        def watch() -> None:
            until = time.monotonic() + (SECONDS if stop else moment)
            while time.monotonic() < until and not board.paused and not ended.wait(0.0005):
                pass
            landed.extend([] if ended.is_set() else [stop[0] if stop and board.paused else board.phase()])
            _kill(self.cluster, node)

        watching = threading.Thread(target=watch)
        watching.start()
        faults = self._faults()
        ended.set()
        watching.join()
        tally.too_late += not landed
        tally.kills += len(landed)
        tally.landed.update(landed)
        tally.faults += [f"killed in {landed} {stop or ''}: {fault}" for fault in faults]

    def twin(self) -> list[str]:
        """What is seen where every worker writes in place, and one is killed in the middle of a picture."""
        twin, self.fault = Tally(NAME), "careless"
        _kill(self.cluster, self.cluster.workers[0])
        self._new(None)  # who goes on must be as careless, or the picture is mended
        for _ in range(TWIN_ROUNDS):
            if not twin.faults:
                self.round(twin, ("write", 1), 0)
        return twin.faults

    def _faults(self) -> list[str]:
        """The command must end by itself as if nothing had happened, and the same command again has nothing to do."""
        shutil.rmtree(self.shop.root / "round", ignore_errors=True)
        try:
            self._draw("round")
            faults = workshop.wrong_images(self.shop, "round")
            again = generate(self.shop.study, self.shop.settings("round"), batch_size=3).facts["drawn"]
        except Exception as error:
            return [f"{type(error).__name__}: {error}"]
        return faults + ([f"{again} images were drawn again by the same command"] if again else [])

    def _draw(self, data: str) -> None:
        two = engine.Cluster(workers=2, gpus=0)
        generate(self.shop.study, self.shop.settings(data), batch_size=3, engine=two)

    def _new(self, stop: tuple[str, int] | None) -> tuple[Any, Board]:
        """A node whose workers say their phase, and stop where they shall."""
        self.made += 1
        path = self.shop.root / f"{self.made}.board"
        board = Board(path, new=True)
        told = {"PYTHONPATH": f"{SITE}:{ROOT}", "CHAOS_BOARD": str(path), "CHAOS_FAULT": self.fault}
        told["CHAOS_STOP"] = f"{stop[0]}:{stop[1]}" if stop else ""
        return self.cluster.add_node(num_cpus=1, object_store_memory=80_000_000, env_vars=told), board


def _kill(cluster: Any, node: Any) -> None:
    """The node's processes, all at once: its daemons and the workers that they began."""
    import psutil

    daemons = [started.process.pid for kind in node.all_processes.values() for started in kind]
    found = []
    for pid in daemons:
        with suppress(psutil.Error):
            found += psutil.Process(pid).children(recursive=True)
    for pid in [*(process.pid for process in found), *daemons]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)
