"""The demo, on the embedded weights, from nothing: real pictures, real scores, simulated votes that are marked so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT


@pytest.mark.timeout(1600)
def test_the_demo_from_nothing(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    places = {"EVALKIT_DATA": str(tmp_path / "data"), "EVALKIT_REPORTS": str(tmp_path / "reports")}
    command = [sys.executable, "-m", "evalkit", "demo", "--json"]
    environment = os.environ | places
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=1500)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "/?t=" in told["invite"]
    assert "Miniature: nothing here says anything" in Path(told["report"]).read_text(encoding="utf-8")
    (run,) = (tmp_path / "data/runs").glob("demo-????????")
    votes, images = pd.read_parquet(run / "votes.parquet"), pd.read_parquet(run / "images.parquet")
    assert len(votes) == 720 and votes["simulated"].all()
    assert not images["blank"].any() and images["sha256"].is_unique
    metrics = json.loads((run / "metrics.json").read_text())
    overall = {
        row["system"]: row for row in metrics["values"] if row["metric"] == "clip_score" and row["slice"] == "overall"
    }
    assert all(row["low"] > 60 for row in overall.values()), "the pictures follow their prompts"
