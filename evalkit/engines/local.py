"""Runs tasks in this process. Keeping what a task gave overlaps with the computing of the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evalkit.engines import Job, Result, Task


@dataclass(frozen=True)
class Local:
    """This process."""

    name: str = "local"
    workers: int = 1
    threads: int | None = None

    def run(self, tasks: Sequence[Task], opening: Callable[[], Job[Task, Any, Result]]) -> Iterator[Result]:
        """Results in order. Whatever ends it (Ctrl-C too), what was computed is kept first."""
        if not tasks:
            return
        job = opening()
        with ThreadPoolExecutor(1, thread_name_prefix="storing") as storing:
            pending: Future[Result] | None = None
            for task in tasks:
                product = job.compute(task)
                before, pending = pending, storing.submit(job.store, task, product)
                if before:
                    yield before.result()
            if pending:
                yield pending.result()


HERE = Local()
"""What runs a stage's tasks unless it is told otherwise."""
