"""What a stage tells the person who started it: progress while it runs, and an outcome at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total): "images", 12, 96."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Outcome:
    """The end of a stage: one closing line, where the result is, the next command, and the facts for --json."""

    said: str
    where: Path | None = None
    next: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        where = str(self.where) if self.where else None
        return {"said": self.said, "where": where, "next": self.next, "warnings": list(self.warnings), **self.facts}
