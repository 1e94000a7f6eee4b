"""Ways of running tasks, a file each: in this process, or by the workers of a cluster. Results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from evalkit.registry import unknown

Task = TypeVar("Task")
Product = TypeVar("Product")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job(Generic[Task, Product, Result]):
    """What a worker does with a task, in two steps, so that a network never waits for a disk."""

    compute: Callable[[Task], Product]
    """with the loaded network; one task at a time"""
    store: Callable[[Task, Product], Result]
    """keeps what was computed, while the next task is; only what it returns goes back to the stage"""


class Engine(Protocol):
    """Runs the tasks of one stage."""

    @property
    def name(self) -> str: ...

    @property
    def workers(self) -> int:
        """How many tasks are computed at once."""

    @property
    def threads(self) -> int | None:
        """CPU threads of each worker; None: torch's own choice."""

    def run(self, tasks: Sequence[Task], opening: Callable[[], Job[Task, Any, Result]]) -> Iterator[Result]:
        """Results as they come, in no certain order. Each task is done once; `opening` is called once by each worker,
        and loads what the job needs. It must be picklable, as must tasks and results."""


def choose(name: str, *, address: str | None = None, workers: int | None = None, threads: int | None = None) -> Engine:
    """The engine of a command: `local`, or `ray` with its cluster's address and number of workers.

    Args:
        threads: CPU threads of each worker; by default one for Ray's.

    Raises:
        SpecError: there is no such engine.
        MissingExtraError: ray is not installed.
        UnavailableError: no cluster answers at the address.
    """
    from evalkit.engines import local, ray

    if name == "local":
        return local.Local()
    if name == "ray":
        return ray.connect(address, workers, threads or 1)
    raise unknown("engine", name, ("local", "ray"), where="--engine")
