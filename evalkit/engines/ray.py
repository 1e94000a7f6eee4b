"""Runs tasks on a Ray cluster (Moritz et al. 2018, arXiv 1712.05889): one network for each worker, two tasks in flight.

A worker or a node that dies costs the tasks that it had: they go to others, and another worker is started in its place.
Tasks and what comes back are small; pictures and features go straight from the worker to the run's storage.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.engines import Job, Result, Task
from evalkit.errors import EvalkitError, MissingExtraError, RunError, UnavailableError
from evalkit.settings import without_usage_reports

LOG = logging.getLogger(__name__)
IN_FLIGHT = 2
"""Tasks of a worker: one is computed while the other is stored. No more wait there: that is the back-pressure."""
SLOW = "task %d has taken %.0f s or more, and its worker lives; if it hangs, stop the command, and start it again: %s"
TRIES = 3
"""A task that so many workers have died of is at fault itself."""
PATIENCE_SECONDS = 600.0
"""So long nothing may happen while no worker lives: a cluster that grows by itself needs minutes. A task that takes so
long is named in a warning, and again after as long; it is not ended, since nobody knows how long one may take."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    workers: int
    gpus: int
    """of each worker: one, or none where the cluster has none"""
    threads: int = 1
    name: str = "ray"

    def run(self, tasks: Sequence[Task], opening: Callable[[], Job[Task, Any, Result]]) -> Iterator[Result]:
        """Results as they come.

        Raises:
            RunError: a task killed its worker each time.
            UnavailableError: no worker could be started, or none was left.
            EvalkitError: what the job raised, as it raised it.
        """
        crew = _Crew(self, opening, deque(enumerate(tasks)))
        try:
            crew.hire(min(self.workers, len(tasks)))
            yield from crew.work()
        finally:
            crew.dismiss()


def connect(address: str | None, workers: int | None = None, threads: int = 1) -> Cluster:
    """Connects to the cluster at `address` (host:port, ray://host:port, auto); None: RAY_ADDRESS, else this machine.

    Args:
        workers: default: one for each GPU, or one for each CPU where there is none.
        threads: CPU threads of each worker. The bytes of an image hang on them, so they are part of a run's record.

    Raises:
        MissingExtraError: ray is not installed.
        UnavailableError: nothing answers there.
    """
    ray = the_library()
    if not ray.is_initialized():
        try:
            ray.init(address, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            hint = "`ray start --head` begins one; without --address this machine is used"
            told = str(error).strip().splitlines()[0]
            raise UnavailableError(f"no Ray cluster answers: {told}", where=str(address), hint=hint) from error
    has = ray.cluster_resources()
    gpus = int(has.get("GPU", 0))
    return Cluster(workers or gpus or max(1, int(has.get("CPU", 1)) // threads), int(gpus > 0), threads)


def the_library() -> Any:
    """Ray, which sends no reports of its use.

    Raises:
        MissingExtraError: it is not installed.
    """
    without_usage_reports()
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray


def ask_nodes(question: Callable[[], Result], seconds: float = 120.0) -> dict[str, Result | None]:
    """The answer of each node that is alive to the same question, by its address; None: none came in time.

    The question takes no CPU, so that it is answered by a node that is busy, too.
    """
    ray = the_library()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[ray.remote(num_cpus=0, scheduling_strategy=there)(_asked).remote(question)] = _address(node)
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=seconds)
    return {name: _answer(ray, answer) if answer in done else None for answer, name in asked.items()}


def _asked(question: Callable[[], Result]) -> Result:
    return question()


def _address(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"


def _answer(ray: Any, answer: Any) -> Any:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError:
        return None


def named(task: Any) -> str:
    """A task in a line of a log."""
    text = " ".join(repr(task).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


class _Worker:
    """One process of the cluster, with one loaded network. Its two threads take turns at the network."""

    def __init__(self, opening: Callable[[], Job[Any, Any, Any]]) -> None:
        self._opening, self._turn = opening, threading.Lock()
        self._job: Job[Any, Any, Any] | None = None

    def ready(self) -> None:
        """Answers once the process has been started."""

    def run(self, task: Any) -> Any:
        with self._turn:
            if self._job is None:
                self._job = self._opening()
            product = self._job.compute(task)
        return self._job.store(task, product)


@dataclass
class _Crew:
    """The workers of one run, and what each of them has to do."""

    cluster: Cluster
    opening: Callable[[], Job[Any, Any, Any]]
    todo: deque[tuple[int, Any]]
    busy: dict[Any, tuple[Any, tuple[int, Any] | None]] = field(default_factory=dict)
    """answer to come -> its worker, and the task (None: whether it has started)"""
    free: list[Any] = field(default_factory=list)
    """a worker for each task that it could take"""
    alive: list[Any] = field(default_factory=list)
    deaths: Counter[int] = field(default_factory=Counter)
    """number of a task -> workers that died while they had it"""
    stillborn: int = 0
    """workers in a row that never started"""
    since: dict[Any, float] = field(default_factory=dict)
    """answer to come -> when its task was given, or last warned of"""

    def hire(self, count: int) -> None:
        cluster, ray = self.cluster, the_library()
        kind = ray.remote(num_cpus=cluster.threads, num_gpus=cluster.gpus, max_concurrency=IN_FLIGHT)(_Worker)
        for _ in range(count):
            worker = kind.remote(self.opening)
            self.alive.append(worker)
            self.busy[worker.ready.remote()] = (worker, None)

    def work(self) -> Iterator[Any]:
        ray = the_library()
        while self.todo or self._computing():
            done, _ = ray.wait(list(self.busy), num_returns=1, timeout=PATIENCE_SECONDS)
            if not done and not self._computing():
                hint = "`evalkit cluster check` says what the cluster has"
                raise UnavailableError(f"no worker could be started in {PATIENCE_SECONDS:.0f} s", hint=hint)
            self._warn_of_slow()
            for answer in done:
                yield from self._take(answer, ray)
            self._give()

    def dismiss(self) -> None:
        ray = the_library()
        for worker in self.alive:
            ray.kill(worker)

    def _computing(self) -> bool:
        return any(task for _, task in self.busy.values())

    def _warn_of_slow(self) -> None:
        """Tasks that may hang: they do not end, and their workers do not die."""
        now = time.monotonic()
        for answer, (_, task) in self.busy.items():
            if task is not None and now - self.since.get(answer, now) >= PATIENCE_SECONDS:
                self.since[answer] = now
                LOG.warning(SLOW, task[0] + 1, PATIENCE_SECONDS, named(task[1]))

    def _take(self, answer: Any, ray: Any) -> Iterator[Any]:
        """What an answer brings."""
        worker, task = self.busy.pop(answer)
        self.since.pop(answer, None)
        try:
            result = ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, EvalkitError) else error from None
        except ray.exceptions.RayError as error:  # the worker, its node, or the memory of that is gone
            return self._replace(worker, task, error)
        self.stillborn = 0
        if worker in self.alive:
            self.free += [worker] * (IN_FLIGHT if task is None else 1)
        if task is not None:
            yield result

    def _give(self) -> None:
        while self.todo and self.free:
            worker, task = self.free.pop(0), self.todo.popleft()
            answer = worker.run.remote(task[1])
            self.busy[answer], self.since[answer] = (worker, task), time.monotonic()

    def _replace(self, worker: Any, task: tuple[int, Any] | None, error: Exception) -> None:
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if task is not None:
            self._again(task, told)
        if worker not in self.alive:  # its other task has told it
            return
        self.alive.remove(worker)
        self.free = [other for other in self.free if other != worker]
        self.stillborn += task is None
        if self.stillborn > TRIES * self.cluster.workers:
            hint = "`evalkit cluster check` says what the cluster has"
            raise UnavailableError(f"workers end before they have started: {told}", hint=hint)
        self.hire(1)

    def _again(self, task: tuple[int, Any], told: str) -> None:
        self.deaths[task[0]] += 1
        if self.deaths[task[0]] >= TRIES:
            hint = "too little memory is the usual cause: a smaller --batch-size, or fewer --workers"
            raise RunError(f"a task ended its worker {TRIES} times: {told}", where=f"task {task[0] + 1}", hint=hint)
        self.todo.appendleft(task)
