"""How evalkit speaks in the terminal: one progress bar, one closing line, errors in three lines; or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evalkit.outcome import Outcome, Progress, silent

if TYPE_CHECKING:
    from evalkit.errors import EvalkitError


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Prints the end of a stage."""
    if as_json:
        print(json.dumps(outcome.as_json(), indent=2, ensure_ascii=False, default=str))
        return
    for warning in outcome.warnings:
        print(f"note: {warning}", file=sys.stderr)
    print(outcome.said)
    if outcome.where:
        print(f"  in    {outcome.where}")
    if outcome.next:
        print(f"  next  {outcome.next}")


def show_error(error: EvalkitError, *, as_json: bool) -> None:
    """Prints what, where and the next step."""
    if as_json:
        facts: dict[str, Any] = {"error": error.what, "where": error.where, "hint": error.hint}
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(f"error: {error.what}", file=sys.stderr)
    for label, text in (("where", error.where), ("next", error.hint)):
        if text:
            print(f"  {label:<5} {text}", file=sys.stderr)


@contextmanager
def bar(*, quiet: bool) -> Iterator[Progress]:
    """A progress bar with rate and time left, for a person at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), _rate(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress


def _rate() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Things per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.2f}/s" if task.speed else "")

    return Rate()
