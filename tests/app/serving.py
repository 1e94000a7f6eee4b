"""A study of procedural images, opened for real, and the apps served by processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine

from app import database
from app.attempts import IMAGES, LINKS, PASSWORDS
from evalkit import prompts
from evalkit.settings import Settings
from evalkit.settings import settings as this_settings
from evalkit.spec.plan import plan_images, select_prompts, voting_keys
from evalkit.spec.resolve import ResolvedStudy
from evalkit.stages.generate import generate
from evalkit.store import db
from evalkit.store.run import Run
from evalkit.voting import arms, invites, leakcheck, opening, server
from tests.stages.drawing import procedural

SYSTEMS = ("heron-9", "kestrel-3")
Result = TypeVar("Result")


def beside(work: Callable[[], Result]) -> Result:
    """`work` done in a thread of its own: the browser's driver has a running event loop in this one."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(work).result()


@dataclass(frozen=True)
class OpenStudy:
    """A study that is open for votes."""

    settings: Settings
    resolved: ResolvedStudy
    engine: Engine
    study_id: int

    def invite(self, **wish) -> invites.Invite:
        with db.session(self.engine) as session:
            wish = {"valid_days": 1, "now": datetime.now(UTC), **wish}
            return invites.invite(session, self.study_id, count=1, **wish)[0]

    @property
    def arms(self) -> arms.Arms:
        return arms.read(Run(self.settings.runs_dir / self.resolved.run_name), self.resolved.sha)


def open_trial(settings: Settings, **voting) -> OpenStudy:
    """Draws and opens a trial; `voting` is the study's part of that name."""
    resolved = procedural(settings.root, *SYSTEMS, voting={"raters": 90, **voting})
    generate(resolved, settings)
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    planned = opening.shown_images(plan_images(chosen, resolved), voting_keys(chosen, resolved), resolved.study.voting)
    engine, run = db.connect(settings), Run(settings.runs_dir / resolved.run_name)
    opened = opening.open_study(engine, resolved, planned, run, settings, datetime.now(UTC))
    return OpenStudy(settings, resolved, engine, opened.study_id)


@contextmanager
def serve(which: str, settings: Settings, log: Path) -> Iterator[str]:
    """The address of a served app, in which importing torch or one of its friends raises."""
    poison = log.parent / "poison"
    poison.mkdir(exist_ok=True)
    for name in ("torch", "torchvision", "diffusers", "transformers", "torchmetrics", "datasets", "ray"):
        (poison / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")
    with server.served(which, settings, log, {"PYTHONPATH": str(poison)}) as address:
        yield address
    assert "was imported" not in log.read_text()


@contextmanager
def this_process_has(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app's pages run in this process, with these settings."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    forget()
    yield
    forget()


def forget() -> None:
    this_settings.cache_clear()
    database._connected.cache_clear()
    for limit in (LINKS, IMAGES, PASSWORDS):
        limit.forget()


def secrets_of(study: OpenStudy) -> list[str]:
    """What no browser may receive."""
    return [*leakcheck.secrets_of(study.resolved, study.arms), str(study.settings.root)]
