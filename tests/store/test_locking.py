"""The lock of a run: one process at a time, the other is told who it is or waits, and kill -9 leaves it free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalkit.errors import RunError
from evalkit.store import locking, pace
from evalkit.store.files import append_line, read_lines, sweep
from evalkit.store.run import LOCK, Run

HOLD = """
import sys, time
from pathlib import Path
from evalkit.store.run import Run
with Run(Path(sys.argv[1])).lock("generate"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_process_is_told_who_the_first_is(tmp_path):
    first = hold(tmp_path)
    with pytest.raises(RunError) as refused, Run(tmp_path).lock("score"):
        pass
    assert f"`generate` (process {first.pid} on {os.uname().nodename}, since 20" in refused.value.what
    found = locking.holder(tmp_path / LOCK)
    assert found is not None and (found.pid, found.doing) == (first.pid, "generate")
    first.communicate("")
    assert locking.holder(tmp_path / LOCK) is None and locking.died(tmp_path / LOCK) is None


def test_waiting_takes_the_lock_when_the_other_ends(tmp_path, caplog):
    first = hold(tmp_path)
    later = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(0.6); os.kill({first.pid}, 9)"])
    with Run(tmp_path).lock("score", wait=True) as died:
        assert first.wait() == -signal.SIGKILL
        assert died is not None and died.pid == first.pid
    later.wait()
    assert f"waiting for another process that works on this run: `generate` (process {first.pid}" in caplog.text


def test_a_process_killed_with_the_lock_is_found_and_its_half_files_go(tmp_path):
    first = hold(tmp_path)
    (tmp_path / "scores").mkdir()
    half = tmp_path / "scores" / ".x.parquet.0123abcd.tmp"
    half.write_bytes(b"half")
    first.kill()
    first.wait()
    found = locking.died(tmp_path / LOCK)
    assert found is not None and found.pid == first.pid and half.exists()
    with Run(tmp_path).lock("score") as died:
        assert died == found and not half.exists()
    with Run(tmp_path).lock("score") as died:
        assert died is None
    what = [(line["what"], line.get("stage")) for line in Run(tmp_path).log_lines()]
    ended = [("stage began", "score"), ("stage ended", "score")]
    assert what == [("stage began", "generate"), ("found a stage that had died", "generate"), *ended, *ended]


def test_the_twin_a_lock_that_a_file_stands_for_would_outlive_its_process(tmp_path):
    """Planted: exists means held. After kill -9 it would be held for ever."""
    first = hold(tmp_path)
    first.kill()
    first.wait()
    assert (tmp_path / LOCK).exists() and locking.holder(tmp_path / LOCK) is None


def test_a_failure_is_a_line_with_its_reason(tmp_path):
    with pytest.raises(ZeroDivisionError), Run(tmp_path).lock("score"):
        _ = 1 / 0
    last = Run(tmp_path).log_lines()[-1]
    assert (last["what"], last["error"], last["said"]) == ("stage failed", "ZeroDivisionError", "division by zero")


def test_a_line_cut_short_costs_that_line_alone(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(path, '{"a": 1}')
    with path.open("ab") as file:
        file.write(b'{"b": ')
    append_line(path, '{"c": 3}')
    assert read_lines(path) == [{"a": 1}, {"c": 3}] and read_lines(tmp_path / "none") == []
    assert len(path.read_bytes().splitlines()) == 3


def test_a_sweep_spares_what_is_young_and_what_is_whole(tmp_path):
    for name in (".a.png.00000000.tmp", ".b.png.00000000.tmp", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    os.utime(tmp_path / ".a.png.00000000.tmp", (time.time() - 100,) * 2)
    assert sweep(tmp_path, older_than=60) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.png.00000000.tmp", "c.png"]


def test_the_pace_of_a_stage_is_written_and_has_a_rate(tmp_path, monkeypatch):
    told, clock = [], iter([0.0, 1.0, 11.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: 100 + next(clock))
    watch = pace.watched(tmp_path, lambda *one: told.append(one))
    for done in (10, 20, 60):
        watch("images", done, 110)
    found = pace.read(tmp_path)
    assert told == [("images", 10, 110), ("images", 20, 110), ("images", 60, 110)]
    assert found is not None and found.done == 60
    assert found.per_second == pytest.approx(50 / 11) and found.seconds_left == pytest.approx(11)
    (tmp_path / pace.NAME).write_text('{"what": ')
    assert pace.read(tmp_path) is None


def test_the_log_is_json_lines_with_utc_times(tmp_path):
    with Run(tmp_path).lock("score"):
        pass
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(line["at"].endswith("+00:00") and {"what", "stage"} <= set(line) for line in lines)
