"""A study whose images and run lie in a bucket from the first image to the report, on a real S3-compatible server."""

from __future__ import annotations

from evalkit.stages import vote
from evalkit.stages.generate import generate
from evalkit.stages.report import report
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.stages.status import status
from evalkit.store.run import Run, latest_run
from tests.stages.scoring import drawn_study
from tests.store.buckets import bucket, in_bucket  # noqa: F401


def test_from_the_first_image_to_the_report(settings, bucket):  # noqa: F811
    there = in_bucket(settings.model_copy(update={"threads": 1}), bucket)
    resolved = drawn_study(there, voting={"sample": 4, "images": 1, "raters": 2})
    assert score(resolved, there).facts["fresh"] == ["clip_score"]
    assert vote.open_study(resolved, there).facts["comparisons"] == 4
    simulate_panel(resolved, there, raters=2, seed=3, planted={"few": -3.0, "many": 3.0})
    assert vote.close(resolved, there).facts["votes"] == 16
    run = latest_run(there.runs_dir, "trial")
    done = report(run, there)
    assert (there.reports_dir / run.name / "index.html").is_file() and done.where is not None
    assert all(step["state"] == "done" for step in status(resolved, there).facts["stages"])
    assert (generate(resolved, there).facts["drawn"], score(resolved, there).facts["fresh"]) == (0, [])
    for name in ("study.yaml", "images.parquet", "metrics.json", "votes.parquet", "raters.parquet", "arms.json"):
        assert Run(there.runs_dir / resolved.run_name).has(name), name
    assert not (settings.data_dir / "runs").exists() and not (settings.data_dir / "images").exists()
