"""A run computed again: equal, or every planted change is seen."""

import json

import pytest
from PIL import Image

from evalkit.errors import RunError
from evalkit.stages.score import score
from evalkit.stages.score_verify import verify, verify_run
from tests.stages.scoring import CLIP, drawn_study, record, reference_folder, run_of

SLOW = pytest.mark.slow


def test_a_run_of_one_metric_is_what_it_says_until_a_score_of_one_image_is_changed(settings):
    settings = settings.model_copy(update={"threads": 1, "device": "cpu"})
    resolved = drawn_study(settings, metrics=[CLIP])
    score(resolved, settings)
    assert [one["wrong"] for one in verify(resolved, settings).facts["metrics"]] == ["", ""]  # Holm's p are the second
    run = run_of(resolved, settings)
    table = run.read_table("scores/clip_score.parquet", "scores_image")
    table.loc[7, "value"] += 0.5
    run.write_table("scores/clip_score.parquet", table, "scores_image")
    with pytest.raises(RunError, match=r"scores/clip_score\.parquet, .*: value") as error:
        verify(resolved, settings)
    assert table["image_key"][7] in error.value.what


@pytest.fixture
def scored(settings):
    settings = settings.model_copy(update={"threads": 1, "device": "cpu"})
    resolved = drawn_study(settings, metrics=[CLIP, "kid_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    return resolved, settings


@SLOW
def test_a_run_is_what_it_says_by_name_and_by_folder(scored):
    resolved, settings = scored
    outcome = verify(resolved, settings)
    found = outcome.facts["metrics"]
    assert [one["metric"] for one in found] == ["clip_score", "kid_lite0", "health card", "Holm's p"]
    assert all(one["wrong"] == "" and one["largest"] < 1e-4 and one["numbers"] >= 2 for one in found)
    folder = str(run_of(resolved, settings).folder)
    assert verify_run(folder, settings).facts["run"] == verify_run("trial", settings).facts["run"]


@SLOW
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda row: row.update(value=row["value"] * 1.01), "then"),
        (lambda row: row.update(low=None), "low None then"),
        (lambda row: row.update(n=row["n"] + 1), ": n 13 then, 12 now"),
        (lambda row: row.update(signature=row["signature"].replace("/1|", "/0|")), "signed"),
    ],
)
def test_a_planted_number_interval_or_signature_is_seen(scored, plant, said):
    resolved, settings = scored
    told = record(resolved, settings)
    plant(next(row for row in told["values"] if row["metric"] == "clip_score" and row["low"] is not None))
    run_of(resolved, settings).path("metrics.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match="1 of 4 results are not what the run says: clip_score") as error:
        verify(resolved, settings)
    assert said in error.value.what


@SLOW
def test_other_images_are_no_proof(scored):
    resolved, settings = scored
    path = run_of(resolved, settings).read_table("images.parquet", "images")["path"][0]
    Image.new("RGB", (64, 64)).save(settings.images_dir / path)
    with pytest.raises(RunError, match="the images are not those that were scored"):
        verify(resolved, settings)


@SLOW
def test_a_planted_number_of_the_health_card_or_of_holm_is_seen(scored):
    resolved, settings = scored
    run, told = run_of(resolved, settings), record(resolved, settings)
    card = run.read_table("health.parquet", "health")
    planted = card.copy()
    planted.loc[planted.index[planted["measure"] == "AuthPct"][0], "value"] += 1.0
    run.write_table("health.parquet", planted, "health")
    with pytest.raises(RunError, match=r"1 of 4 results .*: health card: .*AuthPct.*: value"):
        verify(resolved, settings)
    run.write_table("health.parquet", card, "health")
    told["comparisons"][0]["p_holm"] = 0.5 * told["comparisons"][0]["p_holm"]
    run.path("metrics.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match=r"1 of 4 results .*: Holm's p: .*p_holm"):
        verify(resolved, settings)
