"""Quality against steps and seconds: the curves, the claim that fewer steps are as good, and what has no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evalkit.sections import sample_efficiency
from evalkit.sections._efficiency import verdicts
from evalkit.sections._scores import read_scores
from evalkit.sections._study import read_facts
from evalkit.store.run import Run

STEPS = (10, 30, 50)
Simulate = Callable[..., Run]


def study(margin: float = 1.0, metric: str = "clip_score", steps: tuple[int, ...] = STEPS) -> dict[str, Any]:
    """Overrides that make the simulator's systems one model at several step counts."""
    names = tuple(f"s{place}" for place in range(len(steps)))
    systems = [
        {"name": name, "title": f"model, {k} steps", "model": "one", "sampling": {"steps": k}}
        for name, k in zip(names, steps, strict=True)
    ]
    claim = {"system": names[-2], "as_good_as": names[-1], "metric": metric, "margin": margin}
    overrides = {"systems": systems, "images": 2, "fewer_steps": [claim]}
    return {"systems": names, "titles": names, "prompts": 40, "images": 2, "published": False, "study": overrides}


def plant(run: Run, shift: dict[str, float], spread: float = 0.2) -> np.ndarray:
    """Scores that differ between systems by a known amount; gives the per-prompt differences of the last two."""
    images, rng = run.read_table("images.parquet", "images"), np.random.default_rng(3)
    scene = {key: rng.normal(60, 4) for key in images["prompt_key"].unique()}
    values = [scene[row.prompt_key] + shift[row.system] + rng.normal(0, spread) for row in images.itertuples()]
    table = run.read_table("scores/clip_score.parquet", "scores_image").set_index("image_key")
    table = table.loc[images["key"]].assign(value=values).reset_index()
    run.write_table("scores/clip_score.parquet", table, "scores_image")
    means = images.assign(value=values).groupby(["system", "prompt_key"])["value"].mean().unstack(0)
    return (means["s1"] - means["s2"]).to_numpy()


def test_the_claim_is_two_one_sided_paired_t_tests(simulate: Simulate) -> None:
    run = simulate(**study())
    differences = plant(run, {"s0": -5, "s1": -0.3, "s2": 0})
    found = sample_efficiency.section(run)
    assert found is not None
    (verdict,) = verdicts(run, read_scores(run), read_facts(run))
    p = max(
        stats.ttest_1samp(differences, -1.0, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 1.0, alternative="less").pvalue,
    )
    assert verdict.equivalent is True and verdict.p == pytest.approx(p)
    assert verdict.difference.value == pytest.approx(differences.mean()) and verdict.difference.n == 40
    assert "shown, by clip_score within ±1" in found.title and "was shown" in found.conclusion


def test_a_planted_difference_is_not_called_parity(simulate: Simulate) -> None:
    """The twin: the same section on systems that differ by more than the margin."""
    run = simulate(**study())
    plant(run, {"s0": -5, "s1": -2, "s2": 0})
    found = sample_efficiency.section(run)
    assert found is not None and "not shown" in found.title
    assert "was not shown (which is not the same as a difference)" in found.conclusion


def test_a_distance_is_held_against_its_margin_by_its_interval(simulate: Simulate) -> None:
    for low, high, expected in ((-0.6, 0.4, True), (-1.4, 0.4, False), (None, None, None)):
        run = simulate(**study(metric="fd_lite0"))
        record = run.read_json("metrics.json")
        turned = {"metric": "fd_lite0", "system_a": "s2", "system_b": "s1", "value": -0.1, "low": low, "high": high}
        record["comparisons"].append(record["comparisons"][0] | turned)
        run.write_json("metrics.json", record)
        (found,) = verdicts(run, read_scores(run), read_facts(run))
        assert found.equivalent is expected
        assert found.difference.value == 0.1 and found.difference.low == (None if high is None else -high)


def test_curves_have_a_panel_for_steps_and_one_for_seconds_with_direct_labels(simulate: Simulate) -> None:
    found = sample_efficiency.section(simulate(**study()))
    assert found is not None
    figures = [block for block in found.blocks if block.kind == "figure"]
    assert [figure.name for figure in figures] == ["efficiency-clip_score", "efficiency-fd_lite0"]
    for figure in figures:
        assert [panel.title for panel in figure.panels] == ["against steps", "against seconds"]
        assert all("Card 0" in panel.svg for panel in figure.panels)
        assert [row[1] for row in figure.table.rows] == ["10", "30", "50"]
    assert found.numbers["seconds/s0"].value == pytest.approx(0.5)


def test_pictures_that_were_not_drawn_here_have_no_seconds(simulate: Simulate) -> None:
    run = simulate(**study())
    run.write_table("images.parquet", run.read_table("images.parquet", "images").assign(seconds=np.nan), "images")
    found = sample_efficiency.section(run)
    assert found is not None and found.numbers["seconds/s0"].value is None
    assert all(len(block.panels) == 1 for block in found.blocks if block.kind == "figure")


def test_one_step_count_for_each_model_makes_no_section(simulate: Simulate) -> None:
    assert sample_efficiency.section(simulate()) is None
