"""A ladder of known quality: one model at several step counts, ordered by distance, by CLIPScore and by a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from evalkit.metrics import kid_lite0
from evalkit.metrics._metric import FeatureSet
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.stages.vote import close, open_study
from evalkit.stats.strengths import rank_systems
from evalkit.store.run import Run
from evalkit.training import check, drawing, references, vocabulary
from evalkit.training.autoencoder import to_tensor
from evalkit.voting.planted import strengths_by_steps
from tests.conftest import ROOT

WEIGHTS = ROOT / "data" / "weights"
SMALL, WHOLE = (2, 8, 16), ("sd-2", "sd-4", "sd-8", "sd-16", "sd-50")


def clip_score(prompts: list[str], pixels: np.ndarray) -> float:
    """Mean of 100 x cosine by emoji-clip."""
    from transformers import CLIPModel, CLIPTokenizer

    folder = WEIGHTS / "emoji-clip"
    network, words = CLIPModel.from_pretrained(folder).float().eval(), CLIPTokenizer.from_pretrained(folder)
    with torch.no_grad():
        found = network(pixel_values=to_tensor(pixels), **words(prompts, padding=True, return_tensors="pt"))
    return float(100 * (found.image_embeds * found.text_embeds).sum(dim=1).mean())


def test_a_small_slice_of_the_ladder_is_ordered() -> None:
    torch.set_num_threads(1)
    prompts = [vocabulary.canonical(scene) for scene in check.wanted_scenes("seen", 24)]
    pipeline = drawing.load(WEIGHTS / "emoji-sd")
    drawn = [drawing.draw(pipeline, prompts, steps, seed=3) for steps in SMALL]
    scores = [clip_score(prompts, pixels) for pixels in drawn]
    with np.load(WEIGHTS / "references" / "emoji-renders.npz") as stored:
        base = FeatureSet(stored["features"].astype(np.float64), stored["prompts"].astype(np.str_))
    sets = [FeatureSet(references.lite0_features(pixels).astype(np.float64), np.array(prompts)) for pixels in drawn]
    distances = [kid_lite0.estimate(rows, base).estimate.value for rows in sets]
    assert scores == sorted(scores) and len(set(scores)) == len(scores)
    assert distances == sorted(distances, reverse=True) and len(set(distances)) == len(distances)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_whole_study_is_ordered_by_distance_score_and_panel(tmp_path: Path) -> None:
    """The panel's preferences come from planted step counts, never from a score that the report shows."""
    settings = Settings(root=ROOT, data=tmp_path / "data", reports=tmp_path / "reports", threads=1)
    study = resolve("emoji-sample-efficiency", ROOT)
    generate(study, settings)
    score(study, settings)
    open_study(study, settings)
    simulate_panel(study, settings, seed=1)
    close(study, settings)
    run = Run(settings.runs_dir / study.run_name)
    values = run.read_json("metrics.json")["values"]
    for metric, sign in (("fd_lite0", -1), ("kid_lite0", -1), ("clip_score", 1)):
        mine = [row for row in values if (row["metric"], row["slice"]) == (metric, "overall")]
        found = {row["system"]: sign * row["value"] for row in mine}
        assert [found[name] for name in WHOLE] == sorted(found[name] for name in WHOLE), metric
    votes = run.read_table("votes.parquet", "votes")
    assert votes["simulated"].all()
    liked = _strengths(votes)
    planted = strengths_by_steps(study.study)
    ladder = [f"sd-{steps}" for steps in (2, 4, 8, 16, 50)]
    assert [liked[name] for name in ladder] == sorted(liked[name] for name in ladder)
    assert np.corrcoef([liked[name] for name in planted], list(planted.values()))[0, 1] > 0.9


def _strengths(votes: pd.DataFrame) -> dict[str, float]:
    """Strengths of all systems by the votes on the primary question, ties included."""
    mine = votes[(votes["question"] == "aesthetics") & (votes["choice"] != "neither")]
    outcomes = mine["choice"].map({"a": 1, "b": -1, "tie": 0}).to_numpy()
    found = rank_systems(
        *(mine["system_a"].tolist(), mine["system_b"].tolist(), outcomes),
        *(mine["prompt_key"].to_numpy(), mine["rater"].to_numpy()),
    )
    return {one.system: float(one.estimate.value or 0.0) for one in found.strengths}
