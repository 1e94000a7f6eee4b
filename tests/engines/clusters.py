"""A real Ray of several nodes on this machine, and the killing of its parts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from evalkit.engines import ray as engine

NODE = {"object_store_memory": 80_000_000, "include_dashboard": False}


@contextmanager
def nodes(*cpus: int, head: int = 0, system: dict[str, int] | None = None) -> Iterator[Any]:
    """A cluster with a head of `head` CPUs and a node with so many for each number; this process is connected.

    `system`: settings of Ray itself, such as how soon a node counts as dead.
    """
    ray = pytest.importorskip("ray", reason="ray is not installed (pip install 'evalkit[ray]')")
    from ray.cluster_utils import Cluster

    engine.the_library()
    more = {"_system_config": system} if system else {}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": head, **NODE, **more})
    try:
        cluster.workers = [cluster.add_node(num_cpus=count, object_store_memory=80_000_000) for count in cpus]
        ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def worker_processes() -> list[int]:
    """The processes of evalkit's workers on the nodes that this process started."""
    import psutil

    here = psutil.Process(os.getpid()).children(recursive=True)
    return [process.pid for process in here if "_Worker" in " ".join(_command(process))]


def kill_a_worker() -> int:
    """kill -9, as the kernel does when memory runs out; gives how many there were."""
    found = worker_processes()
    os.kill(found[0], signal.SIGKILL)
    return len(found)


def _command(process: Any) -> list[str]:
    import psutil

    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
