"""`evalkit status`: what ran, what is missing, who is at it; from a run that has nothing to one of a million images."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from evalkit.spec.plan import Part, count_images, plan_images
from evalkit.stages.generate import generate
from evalkit.stages.simulate import simulate_panel
from evalkit.stages.status import status
from evalkit.stages.vote import close, open_study
from evalkit.store import db, pace
from evalkit.store.frames import IMAGES
from evalkit.store.run import Run
from evalkit.voting import counting, pictures
from tests.stages.drawing import procedural

DESIGN = {"raters": 2, "sample": 3, "images": 2}


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Raters are shown the shapes at their own 64 px."""
    monkeypatch.setattr(pictures, "MIN_SIDE", 64)


def steps(outcome):
    return {step["stage"]: step for step in outcome.facts["stages"]}


def test_the_way_of_a_study(checkout, settings):
    resolved = procedural(checkout, voting=DESIGN, metrics=["clip_score"])
    told = steps(status(resolved, settings))
    assert [told[name]["state"] for name in ("generate", "score", "vote", "report")] == ["not begun"] * 4
    assert told["generate"]["planned"] == 2 * (7 + 3) and not (settings.data_dir / "evalkit.db").exists()
    generate(resolved, settings, part=Part(systems=("few",)))
    outcome = status(resolved, settings)
    assert steps(outcome)["generate"] | {} == {
        **steps(outcome)["generate"], "state": "partly", "done": 10, "planned": 20,
    }  # fmt: skip
    assert outcome.next == "evalkit generate trial" and "generate  partly     10 of 20 images" in outcome.said
    generate(resolved, settings)
    open_study(resolved, settings)
    simulate_panel(resolved, settings, raters=1)
    told = steps(status(resolved, settings))
    assert told["generate"]["state"] == "done" and told["vote"]["state"] == "partly"
    assert told["vote"]["said"] == "open; 0 votes by people, 12 simulated" and told["vote"]["planned"] == 12
    close(resolved, settings)
    assert steps(status(resolved, settings))["vote"]["state"] == "done"


@pytest.mark.parametrize("images", [1, 3])
def test_images_are_counted_as_they_are_planned(checkout, settings, images):
    from evalkit import prompts

    resolved = procedural(checkout, "few", "many", "more", images=images, voting=DESIGN)
    chosen = prompts.load(resolved.prompt_set, settings)
    planned = pd.Series([image.system for image in plan_images(chosen, resolved)]).value_counts().to_dict()
    assert count_images(chosen, resolved) == planned


def test_who_works_on_it_and_who_died_is_said(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    with run.lock("score"):
        run.path(pace.NAME).write_text(json.dumps(pace.Pace("thumbnails", 30, 90, 10, 10.0).__dict__))
        outcome = status(resolved, settings)
        assert outcome.facts["running"]["doing"] == "score"
        assert outcome.facts["progress"]["per_second"] == 2 and outcome.facts["progress"]["seconds_left"] == 30
        assert "thumbnails 30 of 90, 2.00 a second, about 30 s left" in outcome.said
    code = "import os, sys; from pathlib import Path; from evalkit.store.run import Run\n"
    code += "with Run(Path(sys.argv[1])).lock('audit'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(run.folder)], check=False)
    outcome = status(resolved, settings)
    assert outcome.facts["running"] is None and outcome.facts["died"]["doing"] == "audit"
    assert "died: `audit` (process" in outcome.said and outcome.facts["progress"] is None


def test_a_study_whose_prompts_are_not_here_has_a_status_too(checkout, settings):
    resolved = procedural(checkout)
    (checkout / "data/prompts/words.csv").unlink()
    told = steps(status(resolved, settings))["generate"]
    assert told["state"] == "unknown" and told["planned"] is None and "the plan is unknown" in told["said"]


def test_a_report_older_than_its_votes_is_said(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    page = settings.reports_dir / resolved.run_name / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("x")
    assert steps(status(resolved, settings))["report"]["state"] == "done"
    Run(settings.runs_dir / resolved.run_name).write_json("voting.json", {})
    assert steps(status(resolved, settings))["report"]["said"] == "older than voting.json"


def test_votes_of_the_last_hour_give_the_time_left(checkout, settings):
    resolved = procedural(checkout, voting=DESIGN)
    generate(resolved, settings)
    open_study(resolved, settings)
    simulate_panel(resolved, settings, raters=1)
    with db.session(db.connect(settings)) as session:
        from sqlalchemy import text

        session.execute(text("UPDATE sheet SET simulated = false"))
        found = counting.counts(session, 1, datetime.now(UTC))
    assert (found.planned, found.finished, found.last_hour) == (18, 6, 6)
    assert found.seconds_left == pytest.approx(12 * 600)


@pytest.mark.slow
def test_a_run_of_a_million_images_answers_at_once(checkout, settings, record_property):
    """Measured, not asserted: the seconds stand in the report of the tests."""
    import time

    resolved = procedural(checkout)
    run, n = Run(settings.runs_dir / resolved.run_name), 1_000_000
    blank = {name: (np.zeros(n, dtype=kind) if kind != "string" else [""] * n) for name, kind in IMAGES.items()}
    run.write_table("images.parquet", pd.DataFrame(blank | {"system": np.repeat(["few", "many"], n // 2)}), "images")
    started = time.perf_counter()
    told = steps(status(resolved, settings))
    record_property("seconds", time.perf_counter() - started)
    print(f"status of {n:,} images: {time.perf_counter() - started:.2f} s")
    assert told["generate"]["done"] == n


def test_it_may_be_asked_while_the_stage_begins(checkout, settings):
    """Looking takes the lock for a moment; whoever begins meanwhile is not refused."""
    resolved = procedural(checkout)
    run, stop = Run(settings.runs_dir / resolved.run_name), threading.Event()
    with run.lock():
        pass

    def look():
        while not stop.is_set():
            status(resolved, settings)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(40):
            with run.lock():
                pass
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
