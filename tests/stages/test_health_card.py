"""The health card of a drawn study: its panels on real features, planted faults, and what a second run does."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit.metrics import _health_fragile
from evalkit.sections import health as health_section
from evalkit.stages.report import compose
from evalkit.stages.score import score
from tests.stages.scoring import drawn_study, reference_folder, run_of

pytestmark = pytest.mark.slow
NOT_JUDGED = "Not judged: 12 images against 10 of the reference set: too few for a distance with an interval."


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A study whose training set holds three of its own images (a planted fault), scored once."""
    from evalkit.settings import Settings
    from tests.conftest import ROOT

    root = tmp_path_factory.mktemp("checkout")
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    settings = Settings(root=root, threads=1, device="cpu", _env_file=None)
    shapes = {"metrics": ["fd_lite0"], "images": 3, "systems": ("few",), "reference": reference_folder(settings, 40)}
    resolved = drawn_study(settings, **shapes)
    images = run_of(resolved, settings).read_table("images.parquet", "images")
    training = root / "data" / "trained-on"
    training.mkdir()
    rng = np.random.default_rng(7)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(training / f"{number}.png")
    for number, path in enumerate(images["path"].iloc[[0, 3, 6]]):
        shutil.copy(settings.images_dir / path, training / f"copy-{number}.png")
    resolved = drawn_study(settings, **shapes, training_set="data/trained-on")
    score(resolved, settings)
    return resolved, settings, images


def card_of(scored) -> pd.DataFrame:
    resolved, settings, _ = scored
    return run_of(resolved, settings).read_table("health.parquet", "health")


def test_every_number_has_its_signature_and_every_panel_rows(scored):
    card = card_of(scored)
    assert set(card["panel"]) == {"fragile", "biased", "memorisation"} and card["signature"].nunique() == 1
    parts = card["signature"].iloc[0].split("|")
    assert parts[0] == "health/2" and any(part.startswith("training=trained-on:") for part in parts)


def test_every_processing_moves_the_distance_with_a_range_over_seeds(scored):
    card = card_of(scored)
    moved = card[card["measure"] == "change of FD-pca16"].set_index("setting")
    assert set(moved.index) == set(_health_fragile.CHANGES)
    assert moved["value"].abs().min() > 1e-3  # far above what "nothing at all" does, below
    assert (moved["low"] <= moved["value"]).all() and (moved["value"] <= moved["high"]).all()
    assert (moved["low"] < moved["high"]).all() and (moved["n"] == 36).all()
    distance = card[card["measure"] == "FD-pca16"].iloc[0]
    assert distance["low"] < distance["value"] < distance["high"]


def test_the_plain_value_is_said_to_be_biased_and_the_curve_falls(scored):
    card = card_of(scored)
    mine = card[card["panel"] == "biased"]
    plain = mine[mine["measure"] == "plain"].iloc[0]
    assert "mostly bias" in plain["note"]
    curve = mine[mine["measure"] == "FD(N)"].sort_values("n")
    assert curve["value"].iloc[:3].mean() > curve["value"].iloc[-3:].mean()
    on_axes, corrected = (mine[mine["measure"] == name]["value"].iloc[0] for name in ("plain on axes", "corrected"))
    assert corrected < on_axes


def test_planted_copies_are_found_and_shown_with_their_originals(scored):
    resolved, settings, images = scored
    card, run = card_of(scored), run_of(resolved, settings)
    near = card[card["measure"] == "nearest image"]
    copied = images.iloc[[0, 3, 6]]
    assert set(near["image"].iloc[:3]) == set(copied["key"]) and set(near["other"].iloc[:3]) == set(copied["sha256"])
    assert near["value"].iloc[:3].max() < 1e-3 < near["value"].iloc[3]
    for sha in copied["sha256"]:
        assert run.path(f"thumbnails/reference-{sha}.webp").is_file()
    share = card[card["measure"] == "suspected copies"].iloc[0]["value"]
    assert share >= 100 * 3 / 36 - 1e-9
    section = health_section.section(run)
    panel = next(row for row in section.blocks[0].rows if row[0] == "Rewards memorisation")
    assert panel[1] == "Do not use"
    (gallery,) = [block for block in section.blocks if block.kind == "gallery"]
    assert {picture.file for item in gallery.items[:3] for picture in item.pictures} >= {
        f"reference-{sha}.webp" for sha in copied["sha256"]
    }


def test_a_report_holds_the_card_without_votes_and_says_so(scored):
    resolved, settings, _ = scored
    record = compose(run_of(resolved, settings))
    (section,) = [one for one in record["sections"] if one["name"] == "health"]
    people = next(row for row in section["blocks"][0]["rows"] if row[0] == "Inconsistent with people")
    assert people[1] == "Not assessable" and people[2].startswith("No votes yet")


def test_a_second_run_makes_no_card_and_other_images_take_the_old_one_away(scored, monkeypatch):
    resolved, settings, images = scored
    run = run_of(resolved, settings)
    before = run.path("health.parquet").stat().st_mtime_ns
    assert score(resolved, settings).facts["fresh"] == []
    assert run.path("health.parquet").stat().st_mtime_ns == before
    lost = settings.images_dir / images["path"].iloc[1]
    content = lost.read_bytes()
    lost.unlink()
    monkeypatch.setattr(_health_fragile, "CHANGES", {"nothing at all": lambda image, side: image})
    assert "health card" in score(resolved, settings, partial=True).facts["fresh"]
    changes = card_of(scored)
    same = changes[changes["setting"] == "nothing at all"].iloc[0]
    assert same["value"] == pytest.approx(0, abs=1e-5)  # the twin: processing that changes nothing is seen as nothing
    lost.write_bytes(content)


def test_without_a_training_set_memorisation_is_not_assessable(settings):
    settings = settings.model_copy(update={"threads": 1, "device": "cpu"})
    resolved = drawn_study(settings, metrics=["fd_lite0"], reference=reference_folder(settings))
    score(resolved, settings)
    section = health_section.section(run_of(resolved, settings))
    verdicts = {row[0]: row[1:] for row in section.blocks[0].rows}
    assert verdicts["Rewards memorisation"][0] == "Not assessable"
    assert "names no training set" in verdicts["Rewards memorisation"][1]
    assert verdicts["Fragile"] == ("Not assessable", NOT_JUDGED)
