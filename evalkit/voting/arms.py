"""What the arms stand for: run/arms.json, the only place where a study's images and systems meet before it closes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalkit.errors import RunError
from evalkit.places import is_remote
from evalkit.spec.identity import digest
from evalkit.store.run import Run

FILE = "arms.json"


@dataclass(frozen=True)
class Arms:
    """The link of a study. Nobody needs it before closing; who reads it is no longer blind."""

    study_sha: str
    systems: dict[str, str]
    """arm -> system"""
    images: dict[str, str]
    """opaque key -> key of images.parquet"""

    def arm_of(self, system: str) -> str:
        return next(arm for arm, name in self.systems.items() if name == system)


def new_codes(systems: Sequence[str]) -> dict[str, str]:
    """A random code for each system: arm -> system, in the order of the codes."""
    codes: set[str] = set()
    while len(codes) < len(systems):
        codes.add(secrets.token_hex(4))
    drawn = list(codes)
    secrets.SystemRandom().shuffle(drawn)
    return dict(sorted(zip(drawn, systems, strict=True)))


def write(run: Run, arms: Arms) -> None:
    """Keeps the link in the run folder, readable by its owner only. An older one is kept beside it, never lost."""
    if run.has(FILE):
        _write(run, f"arms-{digest(run.read_json(FILE))[:8]}.json", run.read_json(FILE))
    _write(run, FILE, asdict(arms))


def _write(run: Run, name: str, record: Any) -> None:
    path = run.write_json(name, record)
    if not is_remote(path):  # in a bucket, its own rules say who reads what
        path.chmod(0o600)


def read(run: Run, study_sha: str) -> Arms:
    """The link of a study.

    Raises:
        RunError: it is not there, or another study's: without it the votes cannot be told apart by system.
    """
    if not run.has(FILE):
        hint = "copy arms.json from the machine that opened the study"
        raise RunError("the link between arms and systems is missing", where=str(run.path(FILE)), hint=hint)
    record = run.read_json(FILE)
    try:
        arms = Arms(**record)
    except TypeError as error:
        raise RunError(f"arms.json is damaged: {error}", where=str(run.path(FILE))) from error
    if arms.study_sha != study_sha:
        raise RunError("arms.json belongs to another study", where=str(run.path(FILE)))
    return arms
