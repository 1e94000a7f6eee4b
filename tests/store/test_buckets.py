"""Runs and images in a bucket: objects whole or not at all, one holder of a lock, and all of a study's stages."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from evalkit.errors import MissingExtraError, RunError, SpecError, UnavailableError
from evalkit.places import is_file, is_remote, place
from evalkit.settings import Settings
from evalkit.stages.generate import generate
from evalkit.store import bucket_locking, files
from evalkit.store.bucket_locking import Claim
from evalkit.store.images import lacking, read_facts, read_pixels
from evalkit.store.locking import Holder, died, holder
from evalkit.store.run import LOCK, Run
from tests.stages.drawing import procedural, stored
from tests.store.buckets import bucket, in_bucket  # noqa: F401

HERE = Claim(os.getpid(), "elsewhere", "now", "generate")


def test_a_folder_stays_a_folder(tmp_path):
    assert place(str(tmp_path)) == tmp_path and not is_remote(place(tmp_path))


def test_addresses_that_nothing_speaks_to(monkeypatch):
    with pytest.raises(SpecError, match="ftp://"):
        place("ftp://host/folder")
    monkeypatch.setattr("evalkit.places.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        place("gs://bucket/folder")
    assert "evalkit[gs]" in str(caught.value)


def test_the_same_images_as_on_a_disk_and_nothing_to_do_the_second_time(checkout, settings, bucket):  # noqa: F811
    resolved = procedural(checkout)
    there = in_bucket(settings, bucket)
    generate(resolved, settings)
    first, second = generate(resolved, there), generate(resolved, there)
    assert (first.facts["drawn"], second.facts["drawn"], second.facts["listed"]) == (14, 0, 14)
    on_disk = stored(settings.images_dir)
    assert {name: (there.images_dir / name[:2] / name).read_bytes() for name in on_disk} == on_disk
    run = Run(there.runs_dir / resolved.run_name)
    assert [line["what"] for line in run.log_lines()].count("stage began") == 2
    assert not list(run.path("images").glob("*"))


def test_what_was_not_sent_is_drawn_again_and_nothing_else(checkout, settings, bucket):  # noqa: F811
    """An upload that broke off: the facts, which go last, are not there."""
    resolved, there = procedural(checkout), in_bucket(settings, bucket)
    generate(resolved, there, batch_size=1)
    lost = next(path for path in there.images_dir.rglob("*.json"))
    lost.unlink()
    again = generate(resolved, there, batch_size=1)
    assert (again.facts["drawn"], again.facts["listed"]) == (1, 14)
    assert read_facts(there.images_dir, lost.stem) is not None
    assert read_pixels(there.images_dir, lost.stem).shape == (64, 64, 3)
    assert list(lacking(there.images_dir, ["0" * 64], {})) == [("0" * 64, None)]


def test_puts_that_the_server_refuses_for_a_moment_are_sent_again(checkout, settings, bucket, monkeypatch):  # noqa: F811
    from moto.server import DomainDispatcherApplication

    served, puts = DomainDispatcherApplication.__call__, []

    def busy(self, environ, start_response):
        puts.extend([1] if environ["REQUEST_METHOD"] == "PUT" else [])
        if environ["REQUEST_METHOD"] == "PUT" and len(puts) % 5 == 0:
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code></Error>"]
        return served(self, environ, start_response)

    monkeypatch.setattr(DomainDispatcherApplication, "__call__", busy)
    outcome = generate(procedural(checkout), in_bucket(settings, bucket))
    assert (outcome.facts["listed"], len(puts) >= 5) == (14, True)


def test_a_bucket_that_does_not_answer_is_not_an_empty_one(settings, bucket, monkeypatch):  # noqa: F811
    path = place(f"{bucket}/runs/x/manifest.json")
    files.write_text(path, "{}")
    assert is_file(path) and not is_file(path.with_name("other.json"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    path.fs.clear_instance_cache()
    away = place(f"{bucket}/runs/x/manifest.json")
    for reach in (lambda: is_file(away), lambda: files.write_text(away, "{}"), lambda: Run(away.parent).has("x")):
        with pytest.raises(UnavailableError, match="does not answer"):
            reach()


def test_of_many_processes_one_creates(bucket):  # noqa: F811
    path, won = place(f"{bucket}/once"), []
    threads = [threading.Thread(target=lambda n=n: won.append(files.create(path, b"%d" % n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(bucket_locking, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(bucket_locking, "DEAD_SECONDS", 1.0)


def test_a_lock_that_lives_is_held(bucket, quick):  # noqa: F811
    run = Run(place(f"{bucket}/runs/x"))
    with run.lock("generate"):
        assert isinstance(holder(run.path(LOCK)), Holder) and died(run.path(LOCK)) is None
        with pytest.raises(RunError, match="another process works on this run: `generate`"), run.lock():
            pass
    assert holder(run.path(LOCK)) is None
    with run.lock() as before:
        assert before is None


def test_a_lock_whose_holder_died_is_taken_over(bucket, quick):  # noqa: F811
    folder = place(f"{bucket}/runs/x/.lock")
    assert files.create(folder / "00000001", bucket_locking._encoded(HERE))
    with bucket_locking.held(folder, HERE) as before:
        assert before == HERE


def test_who_was_taken_for_dead_is_told(bucket, quick):  # noqa: F811
    """The twin: a holder that lost its lock must not end as if nothing had happened."""
    folder = place(f"{bucket}/runs/x/.lock")
    with pytest.raises(RunError, match="took this run over"), bucket_locking.held(folder, HERE):
        files.create(folder / "00000002", bucket_locking._encoded(HERE))
        threading.Event().wait(1.0)


def test_who_was_taken_for_dead_writes_nothing_more(bucket, monkeypatch):  # noqa: F811
    """Before the next beat tells; the twin: as long as the lock is held, the same writes go through."""
    import pandas as pd

    monkeypatch.setattr(bucket_locking, "BEAT_SECONDS", 60.0)
    run, scores = Run(place(f"{bucket}/runs/x")), pd.DataFrame({"sha256": ["a" * 64], "value": [1.0]})
    with pytest.raises(RunError, match="took this run over"), run.lock("score"):
        run.write_json("metrics.json", {"by": "the first"})
        files.create(run.path(LOCK) / "00000002", bucket_locking._encoded(HERE))
        for write in (
            lambda: run.write_json("metrics.json", {"by": "the one that lost it"}),
            lambda: run.write_table("scores/x.parquet", scores, "facts"),
        ):
            with pytest.raises(RunError):
                write()
    assert run.read_json("metrics.json") == {"by": "the first"} and not run.has("scores/x.parquet")


def test_a_process_of_another_container_is_not_asked_for():
    """The same host name, a number that no process has here; the twin: of this machine, it is dead."""
    gone, host = 2**22 + 7, socket.gethostname()
    assert bucket_locking.is_dead(Claim(gone, host, "now", "generate", machine="another boot:1")) is None
    assert bucket_locking.is_dead(Claim(gone, host, "now", "generate")) is None  # of a version that did not say
    assert bucket_locking.is_dead(Claim(gone, host, "now", "generate", machine=bucket_locking.this_machine())) is True
    here = Claim(os.getpid(), host, "now", "generate", machine=bucket_locking.this_machine())
    assert bucket_locking.is_dead(here) is False


def test_settings_say_where(tmp_path):
    assert Settings(root=tmp_path, storage=str(tmp_path / "x"), _env_file=None).images_dir == tmp_path / "x/images"
    assert Settings(root=tmp_path, _env_file=None).runs_dir == tmp_path / "data/runs"
