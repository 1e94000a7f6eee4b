"""The published table replayed by the commands that the README names, and the sample that lies in the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.replay import replay
from tests.conftest import ROOT
from tests.sections.simulated_run import Plan, simulate_run

SAMPLE = json.loads((ROOT / "reports/published-table/report.json").read_text(encoding="utf-8"))


def command(*words: str, **folders: Path) -> subprocess.CompletedProcess[str]:
    told = {f"EVALKIT_{name.upper()}": str(path) for name, path in folders.items()}
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def shown(section: dict[str, Any]) -> list[object]:
    tables = [block.get("table", block) for block in section["blocks"] if block["kind"] in ("table", "figure")]
    return [section["conclusion"], section["numbers"], *(table["rows"] for table in tables)]


def test_the_sample_in_the_repository_is_what_the_commands_make(tmp_path: Path) -> None:
    folders = {"data": tmp_path / "data", "reports": tmp_path / "reports"}
    assert command("replay", **folders).returncode == 0
    assert command("report", "published-table", "--out", str(tmp_path / "out"), **folders).returncode == 0
    made = json.loads((tmp_path / "out/report.json").read_text())
    assert [section["name"] for section in made["sections"]] == ["reconstruction", "methods"]
    assert shown(made["sections"][0]) == shown(SAMPLE["sections"][0])
    assert made["run"] == SAMPLE["run"], "the study has another SHA: make the sample again"


def test_the_sample_never_calls_a_reconstruction_votes() -> None:
    text = (ROOT / "reports/published-table/report.md").read_text()
    assert "95 votes" not in text.replace("not 95 votes that somebody cast", "")
    assert "Reconstruction" in SAMPLE["sections"][0]["title"] and "p = .275" in SAMPLE["sections"][0]["conclusion"]


def test_a_study_without_a_published_table_is_not_replayed(tmp_path: Path) -> None:
    settings = Settings(root=ROOT, data=tmp_path, _env_file=None)
    with pytest.raises(SpecError, match="no published table"):
        replay(resolve("demo", ROOT), settings)


def test_comparing_and_exporting_on_the_command_line(tmp_path: Path) -> None:
    plan = Plan(prompts=9, images=1, raters=3, parts=("images", "votes"))
    runs = [str(simulate_run(tmp_path / "data/runs" / f"{name}-ab12cd34", plan).folder) for name in ("one", "two")]
    folders = {"data": tmp_path / "data", "reports": tmp_path / "reports"}
    done = command("report", "--compare", *runs, "--json", **folders)
    facts = json.loads(done.stdout)
    assert facts["numbers"]["aesthetics/deci-30-sd15-50/difference"]["value"] == 0.0, done.stderr
    assert (tmp_path / "reports/one-ab12cd34-against-two-ab12cd34/index.html").is_file()
    done = command("export", runs[0], "--out", str(tmp_path / "out"), **folders)
    assert done.returncode == 0 and (tmp_path / "out/votes.csv").is_file(), done.stderr
    done = command("report", "--compare", *runs, "--same", "nobody", **folders)
    assert done.returncode == 2 and "does not name two systems" in done.stderr
