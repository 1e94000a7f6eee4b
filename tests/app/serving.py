"""A study of procedural images, opened for real, and the apps served by processes of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
from evalkit.voting import arms, invites, opening
from tests.conftest import ROOT
from tests.stages.drawing import procedural

SYSTEMS = ("heron-9", "kestrel-3")


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
    resolved = procedural(settings.root, *SYSTEMS, voting={"raters": 40, **voting})
    generate(resolved, settings)
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    planned = opening.shown_images(plan_images(chosen, resolved), voting_keys(chosen, resolved), resolved.study.voting)
    engine, run = db.connect(settings), Run(settings.runs_dir / resolved.run_name)
    opened = opening.open_study(engine, resolved, planned, run, settings, datetime.now(UTC))
    return OpenStudy(settings, resolved, engine, opened.study_id)


@contextmanager
def serve(which: str, settings: Settings, log: Path) -> Iterator[str]:
    """The address of a served app; the process is stopped at the end. Its port is free by the system's word."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = (
        f"from evalkit.stages.app import serve; from evalkit.settings import settings; serve({which!r}, settings(), "
    )
    words += f"port={port}, address='127.0.0.1')"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", words], cwd=ROOT, env=without_torch(settings, log), stdout=out, stderr=out
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


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
    database.engine.cache_clear()
    for limit in (LINKS, IMAGES, PASSWORDS):
        limit.forget()


def without_torch(settings: Settings, log: Path) -> dict[str, str]:
    """The environment of a server in which importing torch or one of its friends raises."""
    folder = log.parent / "poison"
    folder.mkdir(exist_ok=True)
    for name in ("torch", "torchvision", "diffusers", "transformers", "torchmetrics", "datasets", "ray"):
        (folder / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")
    return {**settings.environment(), "PYTHONPATH": str(folder)}


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer: {log.read_text()}")


def secrets_of(study: OpenStudy) -> list[str]:
    """What no browser may receive."""
    names = [word for system in study.resolved.study.systems for word in (system.name, system.label, system.model)]
    keys = [*study.arms.images.values(), *study.arms.systems, str(study.settings.root), study.resolved.run_name]
    return [*names, *keys, study.resolved.sha]
