"""kill -9 of generate, score and report: at random moments, and inside a write, a sync and a rename."""

from __future__ import annotations

import math
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import workshop
from tests.chaos.phases import Board, careless, child, kill
from tests.chaos.workshop import Check, Workshop

__all__ = ["careless"]
AIMED = ("write", "sync", "rename")
SECONDS = 60.0
"""Longer than any of them can take: then it hangs, which is a fault"""


class UnfitError(Exception):
    """What nobody disturbs ends wrong, so that nothing can be learned from disturbing it."""


@dataclass(frozen=True)
class Stage:
    """A stage as it is killed: what is left out of the copy that it starts from, what it does, what must come out."""

    name: str
    without: tuple[str, ...]
    work: Callable[[Workshop, str], None]
    check: Check


STAGES = (
    Stage("generate", ("*",), Workshop.generate, workshop.wrong_images),
    Stage(
        "score", ("scores", "metrics.json", "health*", "features", "thumbnails", "reports"), Workshop.score,
        workshop.wrong_scores,
    ),
    Stage("report", ("reports",), Workshop.report, workshop.wrong_report),
)  # fmt: skip


@dataclass
class Tally:
    """What became of the rounds of one stage. `landed`: the phase in which each kill did."""

    name: str
    kills: int = 0
    landed: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    """rounds in which the process was through before its moment came; they count as no kill"""
    faults: list[str] = field(default_factory=list)
    swept: int = 0
    """half-written files that kills left and the next run removed"""
    seconds: float = 0.0
    planted: list[str] | None = None
    """what was seen with a fault planted, where that is tried beside the kills; None: not tried"""
    wanted: int = 0
    """kills that were asked for; fewer were done if the time was up"""

    def row(self) -> str:
        cells = [str(self.landed.get(name, 0)) for name in ("write", "sync", "rename", "commit", "transaction")]
        other = self.kills - sum(int(cell) for cell in cells)
        return f"| {self.name} | {self.kills} | {' | '.join(cells)} | {other} | {len(self.faults)} |"


def killed(stage: Stage, shop: Workshop, rounds: int, seed: int, *, only: str = "", until: float = math.inf) -> Tally:
    """Kills the stage so many times, in a fresh copy each, runs it again, and compares with the undisturbed result.

    Args:
        only: aim every kill at this phase; else every other one, at any.
        until: no further round begins after this moment (time.monotonic).
    """
    dice, tally, started = random.Random(f"{stage.name} {seed}"), Tally(stage.name, wanted=rounds), time.monotonic()
    duration, counts = _undisturbed(stage, shop)
    while tally.kills < rounds and time.monotonic() < until:
        aimed, phase = bool(only) or tally.kills % 2 == 1, only or dice.choice(AIMED)
        stop = (phase, dice.randint(1, max(1, counts[phase]))) if aimed else None
        _round(stage, shop, tally, stop, dice.uniform(0, duration))
        if tally.too_late > 5 * rounds:
            tally.faults.append("the process was always through before it was killed")
            break
    tally.seconds = time.monotonic() - started
    return tally


def _undisturbed(stage: Stage, shop: Workshop) -> tuple[float, dict[str, int]]:
    """How long it takes, and how often it enters each phase; from a first run that nobody disturbs."""
    data, board, log = _prepare(stage, shop)
    started = time.monotonic()
    code = os.waitstatus_to_exitcode(os.waitpid(child(lambda: stage.work(shop, data), board, log), 0)[1])
    took = time.monotonic() - started
    if wrong := [workshop.last_line(log)] if code else stage.check(shop, data):
        raise UnfitError(f"undisturbed, {stage.name} ends with {wrong[0]}")
    told = Board(board)
    _tidy(shop, data)
    return took, {phase: told.count(phase) for phase in AIMED}


def _round(stage: Stage, shop: Workshop, tally: Tally, stop: tuple[str, int] | None, moment: float) -> None:
    data, board, log = _prepare(stage, shop)
    pid, told = child(lambda: stage.work(shop, data), board, log, stop), Board(board)
    until = time.monotonic() + (SECONDS if stop else moment)
    while time.monotonic() < until and not told.paused:
        if os.waitpid(pid, os.WNOHANG)[0]:
            tally.too_late += 1
            return _tidy(shop, data)
        time.sleep(0.0005)
    landed = stop[0] if stop and told.paused else told.phase()
    kill(pid)
    tally.kills += 1
    tally.landed[landed] += 1
    before = workshop.leftovers(shop.root / data)
    tally.faults += [f"killed in {landed} {stop or ''}: {fault}" for fault in _again(stage, shop, data, board, log)]
    tally.swept += before - workshop.leftovers(shop.root / data)
    return _tidy(shop, data)


def _again(stage: Stage, shop: Workshop, data: str, board: Path, log: Path) -> list[str]:
    """The same command once more; what is wrong then."""
    _, status = os.waitpid(child(lambda: stage.work(shop, data), board, log), 0)
    if code := os.waitstatus_to_exitcode(status):
        return [f"the same command again ended with {code}: {workshop.last_line(log)}"]
    try:
        return stage.check(shop, data)
    except Exception as error:
        return [f"damaged: {error}"]


def _prepare(stage: Stage, shop: Workshop) -> tuple[str, Path, Path]:
    data = f"round-{stage.name}"
    _tidy(shop, data)
    if stage.without == ("*",):
        (shop.root / data).mkdir()
    else:
        shop.copy(data, without=stage.without)
    return data, shop.root / f"{data}.board", shop.root / f"{data}.log"


def _tidy(shop: Workshop, data: str) -> None:
    shutil.rmtree(shop.root / data, ignore_errors=True)
