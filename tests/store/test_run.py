"""A run folder: tables keep their contract, files are whole, one process writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from evalkit.errors import RunError, UnavailableError
from evalkit.store import files
from evalkit.store.frames import CONTRACTS
from evalkit.store.run import Run, latest_run

ROW = {"image_key": "k", "value": 1.5, "reason": "", "signature": "s"}


def test_a_table_comes_back_as_it_went(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_table("scores/x.parquet", pd.DataFrame([ROW]), "scores_image")
    assert run.read_table("scores/x.parquet", "scores_image").to_dict("records") == [ROW]
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["x.parquet"]


@pytest.mark.parametrize("fault", [{"extra": 1}, {"value": "much"}])
def test_a_table_that_breaks_its_contract_is_refused(tmp_path: Path, fault: dict[str, object]) -> None:
    with pytest.raises(RunError, match="table scores_image"):
        Run(tmp_path).write_table("scores/x.parquet", pd.DataFrame([ROW | fault]), "scores_image")
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_empty_tables_keep_their_columns(tmp_path: Path, name: str) -> None:
    Run(tmp_path).write_table("t.parquet", pd.DataFrame(columns=list(CONTRACTS[name])), name)
    assert list(Run(tmp_path).read_table("t.parquet", name).columns) == list(CONTRACTS[name])


def test_missing_and_damaged_files_say_the_next_step(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(RunError) as caught:
        run.read_table("votes.parquet", "votes")
    assert "evalkit vote close" in caught.value.hint
    (tmp_path / "images.parquet").write_bytes(b"PAR1 half a file")
    (tmp_path / "metrics.json").write_text('{"half": ')
    with pytest.raises(RunError, match="damaged"):
        run.read_table("images.parquet", "images")
    with pytest.raises(RunError, match="damaged"):
        run.read_json("metrics.json")


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Run(tmp_path).write_json("x.json", {"value": float("nan")})


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    files.write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        files.write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_two_processes_cannot_write_one_run_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from evalkit.store.run import Run\n"
    code += "with Run(Path(sys.argv[1])).lock(): print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="another process"), Run(tmp_path).lock():
        pass
    holder.kill()
    holder.wait()
    with Run(tmp_path).lock():
        pass


def test_the_latest_run_is_the_one_worked_on_last(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run of study 'x' yet"):
        latest_run(tmp_path, "x")
    for name in ("x-aaaaaaaa", "x-bbbbbbbb"):
        Run(tmp_path / name).write_json("resolved.json", {})
        files.write_text(tmp_path / name / "study.yaml", "title: x\n")
    Run(tmp_path / "x-aaaaaaaa").log("touched")
    assert latest_run(tmp_path, "x").name == "x-aaaaaaaa"
    lines = (tmp_path / "x-aaaaaaaa" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["what"] == "touched"


def test_the_latest_run_is_found_by_name_by_the_path_of_its_study_file_and_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine-0123abcd"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("title: Mine\n")
    for named in ("mine", str(tmp_path / "elsewhere" / "mine.yaml"), str(folder)):
        assert latest_run(tmp_path / "runs", named).folder == folder
