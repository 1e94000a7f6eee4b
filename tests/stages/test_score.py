"""score: numbers by slice and pair, checked by hand; nothing computed twice; what is missing is named."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from evalkit import __version__
from evalkit.errors import RunError, SpecError
from evalkit.extractors import clip, lite0
from evalkit.metrics import _set_sheet
from evalkit.stages.generate import generate
from evalkit.stages.score import choices, score
from tests.stages.scoring import CLIP, PROMPTS, drawn_study, record, reference_folder, run_of, scores, value_of

TOLD = (".lock", "log.jsonl", "progress.json")
"""What every stage writes about itself, whatever it does."""


@pytest.fixture
def settings(settings):
    """One thread: small pictures gain nothing by more, and the machine may be shared."""
    return settings.model_copy(update={"threads": 1})


def test_values_and_intervals_by_hand(settings):
    resolved = drawn_study(settings, images=2)
    outcome = score(resolved, settings)
    told, images = record(resolved, settings), run_of(resolved, settings).read_table("images.parquet", "images")
    table = images.merge(scores(resolved, settings), left_on="key", right_on="image_key")
    assert len(table) == 2 * 2 * PROMPTS and table["value"].between(0, 100).all()
    for system, rows in table.groupby("system"):
        row, by_prompt = value_of(told, system), rows.groupby("prompt_key")["value"].mean()
        assert (row["value"], row["n"]) == (pytest.approx(rows["value"].mean()), 2 * PROMPTS)
        half = stats.t.isf(0.025, PROMPTS - 1) * by_prompt.std(ddof=1) / np.sqrt(PROMPTS)
        assert row["high"] - row["low"] == pytest.approx(2 * half, rel=1e-6)
    means = table.groupby(["system", "prompt_key"])["value"].mean().unstack(0)
    test = stats.ttest_rel(means["few"], means["many"])
    (pair,) = told["comparisons"]
    assert (pair["system_a"], pair["system_b"], pair["n"]) == ("few", "many", PROMPTS)
    assert pair["value"] == pytest.approx(test.statistic * (means["few"] - means["many"]).sem())
    assert pair["p"] == pytest.approx(test.pvalue) and pair["p_holm"] == pytest.approx(test.pvalue)
    assert outcome.next == "evalkit report trial" and "clip_score" in outcome.said


def test_a_slice_of_few_prompts_has_no_number_and_a_sentence(settings):
    resolved = drawn_study(settings)
    score(resolved, settings)
    told = record(resolved, settings)
    animals, plants = (value_of(told, "few", f"category: {name}") for name in ("animals", "plants"))
    assert animals["value"] is not None and animals["n"] == 9
    assert (plants["value"], plants["low"], plants["n"]) == (None, None, 3)
    assert plants["note"] == "3 images of 3 prompts: too few for a number"


def test_prompts_that_clip_cut_are_named_and_counted(settings):
    resolved = drawn_study(settings)
    score(resolved, settings)
    cut = scores(resolved, settings)["reason"].str.startswith("prompt cut")
    assert cut.sum() == 2
    assert "1 of 12 images have a prompt that was cut" in value_of(record(resolved, settings), "few")["note"]


def test_a_second_run_computes_and_writes_nothing(settings, monkeypatch):
    resolved = drawn_study(settings, metrics=[CLIP, "fd_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    folder = run_of(resolved, settings).folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name not in TOLD}
    for module in (clip, lite0):
        monkeypatch.setattr(module, "load", None)
    outcome = score(resolved, settings)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name not in TOLD}
    assert before == after and outcome.facts["fresh"] == []
    assert len(outcome.facts["values"]) == len(record(resolved, settings)["values"])


def test_a_second_run_does_not_load_torch(settings):
    resolved = drawn_study(settings, metrics=[CLIP, "kid_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    program = (
        "import sys; from pathlib import Path\n"
        "from evalkit.settings import Settings; from evalkit.spec.resolve import resolve\n"
        "from evalkit.stages.score import score\n"
        f"root = Path({str(settings.root)!r})\n"
        "assert score(resolve('trial', root), Settings(root=root, _env_file=None)).facts['fresh'] == []\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_lost_scores_come_back_from_stored_features(settings, monkeypatch):
    resolved = drawn_study(settings)
    score(resolved, settings)
    first, run = record(resolved, settings), run_of(resolved, settings)
    run.path("metrics.json").unlink()
    monkeypatch.setattr(clip, "_network", None)
    score(resolved, settings)
    assert record(resolved, settings) == first


def overwrite(resolved, settings, row) -> None:
    path = settings.images_dir / run_of(resolved, settings).read_table("images.parquet", "images")["path"][row]
    Image.new("RGB", (64, 64), (1, 2, 3)).save(path)


def test_a_picture_with_other_content_is_refused_and_never_scored_from_the_cache(settings):
    resolved = drawn_study(settings)
    score(resolved, settings)
    before = scores(resolved, settings)
    overwrite(resolved, settings, 4)
    with pytest.raises(RunError, match="1 of 24 images are not there as they were made"):
        score(resolved, settings)
    score(resolved, settings, partial=True)
    after = scores(resolved, settings)
    assert np.isnan(after["value"][4]) and after["reason"][4] == "changed since it was made"
    assert np.delete(after["value"].to_numpy(), 4) == pytest.approx(np.delete(before["value"].to_numpy(), 4), abs=1e-9)
    row = value_of(record(resolved, settings), "few")
    assert row["n"] == PROMPTS - 1 and "1 of 12 images not there" in row["note"]
    assert record(resolved, settings)["health"]["few"]["changed"] == {"n": 1, "named": ["prompt s-4 (en), image 0"]}


def test_missing_images_stop_it_unless_partial_is_asked_for(settings):
    resolved = drawn_study(settings, metrics=[CLIP, "fd_lite0"], reference=reference_folder(settings))
    images = run_of(resolved, settings).read_table("images.parquet", "images")
    for path in images["path"][:2]:
        (settings.images_dir / path).unlink()
    with pytest.raises(RunError, match="2 of 24") as error:
        score(resolved, settings)
    assert "evalkit generate" in error.value.hint and "--partial" in error.value.hint
    score(resolved, settings, partial=True)
    told = record(resolved, settings)
    assert told["health"]["few"]["missing"]["n"] == 2 and value_of(told, "few")["n"] == PROMPTS - 2
    assert [pair["n"] for pair in told["comparisons"] if pair["metric"] == "clip_score"] == [PROMPTS - 2]
    # A biased distance of fewer images is another kind of number: its signature must differ.
    few, many = (value_of(told, system, metric="fd_lite0")["signature"] for system in ("few", "many"))
    assert few != many and few.replace("n=10", "n=12") == many
    # Once the images are back, no number of the partial run is left beside the new ones.
    generate(resolved, settings)
    score(resolved, settings, metrics=["clip_score"])
    told = record(resolved, settings)
    assert list(told["metrics"]) == ["clip_score"] and value_of(told, "few")["n"] == PROMPTS
    assert not run_of(resolved, settings).has("scores/fd_lite0.parquet")


def test_without_images_the_next_step_is_named(settings, checkout):
    resolved = drawn_study(settings)
    run_of(resolved, settings).path("images.parquet").unlink()
    with pytest.raises(RunError) as error:
        score(resolved, settings)
    assert "evalkit generate" in error.value.hint


def test_without_a_reference_a_set_metric_gives_a_sentence(settings):
    resolved = drawn_study(settings, metrics=["fd_lite0"])
    outcome = score(resolved, settings)
    row = value_of(record(resolved, settings), "few", metric="fd_lite0")
    assert (row["value"], row["low"], row["high"]) == (None, None, None)
    assert "no reference set" in row["note"] and "no reference set" in outcome.warnings[0]
    table = run_of(resolved, settings).read_table("scores/fd_lite0.parquet", "scores_set")
    assert table["value"].isna().all() and len(table) == 2 * 3  # overall and two categories


def test_set_metrics_tell_systems_from_a_reference(settings):
    named = [CLIP, "fd_lite0", "fd_pca64", "kid_lite0"]
    resolved = drawn_study(settings, metrics=named, reference=reference_folder(settings))
    score(resolved, settings)
    told = record(resolved, settings)
    for metric in named[1:]:
        # More steps mean less noise, and the reference is noise: "few" is nearer to it.
        assert value_of(told, "few", metric=metric)["value"] < value_of(told, "many", metric=metric)["value"]
    assert value_of(told, "few", metric="fd_lite0")["low"] is None
    assert "no valid interval" in value_of(told, "few", metric="fd_lite0")["note"]
    assert set(told["metrics"]) == {"clip_score", *named[1:]}


def test_set_metrics_have_slices_and_few_prompts_no_number(settings, monkeypatch):
    named = ["fd_lite0", "vendi_lite0"]
    resolved = drawn_study(settings, metrics=named, reference=reference_folder(settings))
    monkeypatch.setattr(_set_sheet, "FEWEST_PROMPTS", 9)
    score(resolved, settings)
    told = record(resolved, settings)
    for metric in named:
        animals, plants = (value_of(told, "few", f"category: {name}", metric) for name in ("animals", "plants"))
        assert animals["value"] is not None and animals["n"] == 9
        assert (plants["value"], plants["n"], plants["note"]) == (
            None,
            3,
            "3 images of 3 prompts: too few for a number",
        )
    assert "compare systems within it only" in value_of(told, "few", "category: animals", "fd_lite0")["note"]
    assert "ref=none" in value_of(told, "few", metric="vendi_lite0")["signature"]


def test_variety_needs_no_reference(settings):
    resolved = drawn_study(settings, metrics=["vendi_lite0"])
    score(resolved, settings)
    found = value_of(record(resolved, settings), "few", metric="vendi_lite0")
    assert 1 < found["value"] <= PROMPTS and found["low"] is None and "no valid interval" in found["note"]


def test_a_signature_names_all_that_a_number_hangs_on(settings):
    resolved = drawn_study(settings, metrics=[CLIP, "fd_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    told = record(resolved, settings)
    parts = value_of(told, "few", metric="fd_lite0")["signature"].split("|")
    assert parts[:5] == ["fd_lite0/1", "efficientnet-lite0:57934424", "pil-bicubic-f32-224", "plain", "n=12"]
    assert parts[5].startswith("ref=originals:") and parts[6] == f"evalkit-{__version__}"
    Image.new("RGB", (8, 8)).save(settings.root / "data/originals/one-more.png")
    score(resolved, settings)
    again = record(resolved, settings)
    assert value_of(again, "few", metric="fd_lite0")["signature"] != "|".join(parts)
    assert value_of(again, "few") == value_of(told, "few")


def test_values_of_one_metric_and_slice_share_their_signature(settings):
    resolved = drawn_study(settings, metrics=[CLIP, "fd_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    values = pd.DataFrame(record(resolved, settings)["values"])
    assert (values.groupby(["metric", "slice"])["signature"].nunique() == 1).all()


def test_metrics_can_be_picked_and_what_was_not_planned_says_so(settings):
    resolved = drawn_study(settings, metrics=[CLIP], reference=reference_folder(settings))
    score(resolved, settings, metrics=["kid_lite0"])
    score(resolved, settings)
    told = record(resolved, settings)["metrics"]
    assert {name: facts["planned"] for name, facts in told.items()} == {"kid_lite0": False, "clip_score": True}
    assert told["clip_score"]["model"] == "tiny-clip" and told["clip_score"]["reads"]


def test_a_study_names_the_resizing_of_its_fid(settings):
    resolved = drawn_study(settings, metrics=[{"name": "fid", "model": "pytorch-fid"}, "kid"])
    assert [choice.model for choice in choices(resolved, [])] == ["pytorch-fid", None]


def test_holm_runs_over_all_metrics(settings):
    from statsmodels.stats.multitest import multipletests

    resolved = drawn_study(settings, systems=("few", "many", "third"))
    score(resolved, settings)
    pairs = record(resolved, settings)["comparisons"]
    assert len(pairs) == 3
    expected = multipletests([pair["p"] for pair in pairs], method="holm")[1]
    assert [pair["p_holm"] for pair in pairs] == pytest.approx(list(expected))


def test_wrong_names_are_refused_before_any_work(settings):
    resolved = drawn_study(settings)
    with pytest.raises(SpecError, match="clipscore") as error:
        score(resolved, settings, metrics=["clipscore"])
    assert "clip_score" in error.value.hint
    with pytest.raises(SpecError, match="no metrics"):
        score(drawn_study(settings, metrics=[]), settings)
    with pytest.raises(SpecError, match="no such reference"):
        score(drawn_study(settings, reference="data/nowhere"), settings)
    with pytest.raises(SpecError, match="no network of choice"):
        score(drawn_study(settings, metrics=[{"name": "fd_lite0", "model": "tiny-clip"}]), settings)
    with pytest.raises(SpecError, match="named twice"):
        score(drawn_study(settings, metrics=["clip_score", CLIP]), settings)


def test_flagged_and_blank_images_are_scored_and_counted(settings):
    resolved = drawn_study(settings)
    run = run_of(resolved, settings)
    images = run.read_table("images.parquet", "images")
    images.loc[0, "flagged"], images.loc[1, "blank"] = True, True
    run.write_table("images.parquet", images, "images")
    score(resolved, settings)
    table, told = scores(resolved, settings), record(resolved, settings)
    assert table["value"].notna().all()
    assert table["reason"][:2].tolist() == ["flagged by the safety checker", "blank: a single colour"]
    assert "1 of 12 images flagged" in value_of(told, "few")["note"]
    assert told["health"]["few"]["blank"]["n"] == 1 and told["health"]["many"]["blank"]["n"] == 0


def test_two_systems_that_draw_the_same_share_their_scores(settings):
    resolved = drawn_study(settings, systems=("few", "many"), sampling={"steps": 5})
    score(resolved, settings)
    (pair,) = record(resolved, settings)["comparisons"]
    assert pair["value"] == pytest.approx(0)
    assert len(scores(resolved, settings)) == PROMPTS


def test_thumbnails_show_what_raters_see_first(settings):
    voting = {"sample": 3, "images": 2, "raters": 2}
    resolved = drawn_study(settings, voting=voting)
    told = []
    score(resolved, settings, progress=lambda *step: told.append(step))
    folder = run_of(resolved, settings).path("thumbnails")
    images = run_of(resolved, settings).read_table("images.parquet", "images")
    assert {path.stem for path in folder.iterdir()} == set(images["key"]) and len(images) == 2 * (PROMPTS + 3)
    row = images.iloc[0]
    small = Image.open(folder / f"{row['key']}.webp")
    assert (np.asarray(small) == np.asarray(Image.open(settings.images_dir / row["path"]))).all()
    assert told[-1][0] == "thumbnails" and told[-1][1] == told[-1][2]
    # Only the study's own number of images counts in the metrics.
    assert value_of(record(resolved, settings), "few")["n"] == PROMPTS
    assert len(scores(resolved, settings)) == len(images)


def test_intervals_have_the_confidence_of_the_study(settings):
    widths, levels = [], (0.8, 0.99)
    for confidence in levels:
        resolved = drawn_study(settings, analysis={"confidence": confidence})
        score(resolved, settings)
        (row,) = record(resolved, settings)["comparisons"]
        widths.append(row["high"] - row["low"])
    quantiles = [stats.t.isf((1 - confidence) / 2, PROMPTS - 1) for confidence in levels]
    assert widths[1] / widths[0] == pytest.approx(quantiles[1] / quantiles[0], rel=1e-6)
