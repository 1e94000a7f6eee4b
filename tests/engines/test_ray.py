"""Ray on this machine: each task once, the same bytes as in one process, and a worker that dies costs a batch."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from pathlib import Path

import pytest

from evalkit.engines import Job, choose, ray
from evalkit.errors import ModelError, RunError, SpecError, UnavailableError
from evalkit.stages.cluster import PROBE, Node, Question, check, problems
from evalkit.stages.generate import generate
from tests.engines.clusters import kill_a_worker, nodes
from tests.stages.drawing import procedural, stored


@pytest.fixture(scope="module")
def workers():
    with nodes(head=2):
        yield ray.Cluster(workers=2, gpus=0)


def test_a_killed_worker_costs_its_batch_and_no_byte_differs(checkout, settings, workers):
    """One process against two workers of which one is killed while it draws."""
    resolved, kills = procedural(checkout, "many", images=6, sampling={"width": 512, "height": 512}), []

    def progress(what, done, total):
        if not kills:
            kills.append(kill_a_worker())

    here = settings.model_copy(update={"threads": 1})
    there = here.model_copy(update={"data": checkout / "there"})
    generate(resolved, here, batch_size=3)
    outcome = generate(resolved, there, batch_size=3, engine=workers, progress=progress)
    assert kills and kills[0] >= 1
    assert outcome.facts["listed"] == 42
    assert (outcome.facts["engine"], outcome.facts["workers"], outcome.facts["threads"]) == ("ray", 2, 1)
    assert stored(there.images_dir) == stored(here.images_dir)


@pytest.mark.slow
def test_each_task_is_done_whoever_dies(workers, tmp_path):
    def opening():
        def compute(number):
            if number % 10 == 3 and not (marker := tmp_path / f"died-{number}").exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return number * number

        return Job(compute, lambda number, square: (number, square))

    found = list(workers.run(list(range(40)), opening))
    assert sorted(found) == [(number, number * number) for number in range(40)]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.slow
def test_a_task_that_ends_every_worker_ends_the_run(workers):
    def opening():
        return Job(lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == 1 else number, lambda _, it: it)

    with pytest.raises(RunError, match="ended its worker 3 times"):
        list(workers.run([0, 1, 2], opening))


def test_an_error_of_a_worker_is_the_stages_own(workers):
    def opening():
        raise ModelError("damaged", where="unet", hint="fetch it again")

    with pytest.raises(ModelError) as caught:
        list(workers.run([1], opening))
    assert (caught.value.what, caught.value.where, caught.value.hint) == ("damaged", "unet", "fetch it again")


@pytest.mark.slow
def test_no_more_tasks_wait_at_a_worker_than_two(workers, tmp_path):
    """Back-pressure: what has begun, but was not taken by the stage, is bounded."""

    def opening():
        return Job(lambda number: Path(tmp_path / str(number)).touch(), lambda number, _: number)

    results = workers.run(list(range(100)), opening)
    for _ in range(5):
        next(results)
    assert len(list(tmp_path.iterdir())) <= 5 + ray.IN_FLIGHT * workers.workers
    results.close()


def test_a_task_that_hangs_is_named_and_another_is_not(monkeypatch, caplog):
    crew = ray._Crew(
        ray.Cluster(1, 0), lambda: None, deque(), busy={"a": (1, (6, "images 18 to 20")), "b": (1, (7, "x"))}
    )
    crew.since = {"a": time.monotonic() - ray.PATIENCE_SECONDS - 1, "b": time.monotonic()}
    crew._warn_of_slow()
    crew._warn_of_slow()  # said once, until as much time has passed again
    (record,) = caplog.records
    assert "task 7 has taken 600 s" in record.message and "images 18 to 20" in record.message


@pytest.mark.slow
def test_a_slow_task_is_named_while_it_runs_and_not_ended(workers, monkeypatch, caplog):
    monkeypatch.setattr(ray, "PATIENCE_SECONDS", 1.0)
    found = list(workers.run([3.0, 0.0], lambda: Job(lambda seconds: time.sleep(seconds), lambda seconds, _: seconds)))
    assert sorted(found) == [0.0, 3.0]
    assert any("task 1 has taken" in record.message for record in caplog.records)


def test_an_engine_that_there_is_not():
    with pytest.raises(SpecError, match="engine"):
        choose("slurm")


def test_no_cluster_at_the_address(monkeypatch):
    pytest.importorskip("ray")
    import ray as library

    monkeypatch.setattr(library, "is_initialized", lambda: False)
    with pytest.raises(UnavailableError, match="no Ray cluster answers"):
        choose("ray", address="127.0.0.1:1")


def test_every_node_says_what_it_has(checkout, settings, workers):
    outcome = check(procedural(checkout), settings, engine=workers)
    assert outcome.facts["fit"] and len(outcome.facts["nodes"]) == 1
    assert all(node["storage"] == "" and node["versions"]["evalkit"] for node in outcome.facts["nodes"].values())
    assert not list((settings.storage_dir / PROBE).iterdir())


def test_the_twin_what_differs_on_a_node_is_told(settings):
    here = Node("a", {"torch": "2"}, "abc", [{"name": "H100", "bytes": 8e10}], 1e9, [], "")
    other = Node("b", {"torch": "1"}, "abd", [{"name": "A100", "bytes": 8e10}], 1e9, ["sd15"], "not shared")
    told = "\n".join(problems({"n1": here, "n2": other, "n3": None}, here))
    for words in (
        "n2: the storage",
        "revision abd",
        "torch 1, here 2",
        "checkpoint of sd15",
        "n3: no answer",
        "2 kinds",
    ):
        assert words in told
    assert not list(problems({"n1": here}, here))


def test_a_storage_that_is_not_shared_is_seen(settings):
    assert "not shared" in Question(settings, (), "token")().storage
