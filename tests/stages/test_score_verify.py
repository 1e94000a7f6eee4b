"""A run computed again: equal, or every planted change is seen."""

import json

import pytest
from PIL import Image

from evalkit.errors import RunError
from evalkit.stages.score import score
from evalkit.stages.score_verify import verify, verify_run
from tests.stages.scoring import CLIP, drawn_study, record, reference_folder, run_of

pytestmark = pytest.mark.slow


@pytest.fixture
def scored(settings):
    settings = settings.model_copy(update={"threads": 1, "device": "cpu"})
    resolved = drawn_study(settings, metrics=[CLIP, "kid_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    return resolved, settings


def test_a_run_is_what_it_says_by_name_and_by_folder(scored):
    resolved, settings = scored
    outcome = verify(resolved, settings)
    assert {one["metric"]: one["wrong"] for one in outcome.facts["metrics"]} == {"clip_score": "", "kid_lite0": ""}
    assert all(one["largest"] < 1e-4 and one["numbers"] >= 3 for one in outcome.facts["metrics"])
    folder = str(run_of(resolved, settings).folder)
    assert verify_run(folder, settings).facts["run"] == verify_run("trial", settings).facts["run"]


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda row: row.update(value=row["value"] * 1.01), "then"),
        (lambda row: row.update(low=None), "low None then"),
        (lambda row: row.update(signature=row["signature"].replace("/1|", "/0|")), "signed"),
    ],
)
def test_a_planted_number_interval_or_signature_is_seen(scored, plant, said):
    resolved, settings = scored
    told = record(resolved, settings)
    plant(next(row for row in told["values"] if row["metric"] == "clip_score" and row["low"] is not None))
    run_of(resolved, settings).path("metrics.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match="1 of 2 metrics are not what the run says: clip_score") as error:
        verify(resolved, settings)
    assert said in error.value.what


def test_other_images_are_no_proof(scored):
    resolved, settings = scored
    path = run_of(resolved, settings).read_table("images.parquet", "images")["path"][0]
    Image.new("RGB", (64, 64)).save(settings.images_dir / path)
    with pytest.raises(RunError, match="the images are not those that were scored"):
        verify(resolved, settings)
