"""generate: draws what is missing, once; parts accumulate; damage is mended; nothing it is told can leave its place."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from evalkit.errors import EvalkitError, ModelError, RunError, UnavailableError
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import Part, plan_images
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.store import drawing
from evalkit.store.images import DrawnImage, image_path, read_pixels, write_image
from evalkit.store.run import Run
from tests.stages.drawing import TEXTS, procedural, stored, write_study

TOLD = (".lock", "log.jsonl", "progress.json")
"""What every stage writes about itself, whatever it does."""


def table(resolved, settings):
    return Run(settings.runs_dir / resolved.run_name).read_table("images.parquet", "images")


def test_every_image_of_the_plan_is_drawn_and_listed(checkout, settings):
    resolved, told = procedural(checkout, images=2), []
    outcome = generate(resolved, settings, progress=lambda *step: told.append(step))
    images = table(resolved, settings)
    assert len(images) == len(stored(settings.images_dir)) == 2 * len(TEXTS) * 2 == outcome.facts["listed"]
    assert told[-1] == ("images", 28, 28)
    assert images["batch_size"].unique().tolist() == [4]
    assert set(images["prompt"]) == {text.strip() for text in TEXTS}
    seeds = [list(rows.seed) for _, rows in images.groupby("system")]
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 14  # the same noise for both systems
    for row in images.itertuples():
        content = (settings.images_dir / row.path).read_bytes()
        assert content.count(b"tEXt") == content.count(b"eXIf") == content.count(b"iTXt") == 0
        assert read_pixels(settings.images_dir, row.key).shape == (64, 64, 3)
    assert outcome.next == "evalkit score trial"


def test_twice_does_nothing_the_second_time(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*") if path.is_file() and path.name not in TOLD}
    assert generate(resolved, settings).said.startswith("nothing to draw")
    after = {path: path.stat().st_mtime_ns for path in checkout.rglob("*") if path.is_file() and path.name not in TOLD}
    assert after == before


def test_a_dry_run_counts_and_writes_nothing(checkout, settings):
    resolved = procedural(checkout)
    facts = generate(resolved, settings, dry_run=True, batch_size=3).facts
    assert (facts["planned"], facts["missing"], facts["to_draw"]) == (14, 14, 14)
    assert facts["by_system"] == {"few": 7, "many": 7}
    assert not settings.data_dir.joinpath("runs").exists() and not settings.images_dir.exists()


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        (Part(limit=2), 4),
        (Part(systems=("many",)), 7),
        (Part(categories=("odd",)), 6),
        (Part(sample=3), 6),
        (Part(systems=("few",), categories=("plain",), limit=1), 1),
    ],
)
def test_a_part_is_listed_alone_then_accumulates_to_the_very_same_bytes(checkout, settings, tmp_path, part, rows):
    resolved = procedural(checkout)
    generate(resolved, settings, part=part)
    assert len(table(resolved, settings)) == rows
    generate(resolved, settings)
    in_parts, listed = stored(settings.images_dir), table(resolved, settings)
    again = settings.model_copy(update={"data": tmp_path / "other"})
    generate(resolved, again)
    assert in_parts == stored(again.images_dir)
    assert listed.drop(columns="seconds").equals(table(resolved, again).drop(columns="seconds"))
    assert json.loads((settings.runs_dir / resolved.run_name / "resolved.json").read_text())["sha"] == resolved.sha


def test_systems_that_draw_the_same_share_their_images(checkout, settings):
    """An A/A study: two names for one model with one sampling."""
    write_study(checkout, cards={"few": {"loader": "procedural"}})
    systems = [{"name": name, "model": "few", "sampling": {"steps": 3}} for name in ("few", "twin")]
    study = {"title": "A/A", "systems": systems, "prompts": "words"}
    (checkout / "studies/trial.yaml").write_text(yaml.safe_dump(study))
    resolved = resolve("trial", checkout)
    generate(resolved, settings)
    assert len(table(resolved, settings)) == 14
    assert len(stored(settings.images_dir)) == 7


def test_more_steps_are_better_as_planted(checkout, settings):
    resolved = procedural(checkout, images=3)
    generate(resolved, settings)
    images = table(resolved, settings)

    def roughness(system):
        drawn = [read_pixels(settings.images_dir, key) for key in images.loc[images.system == system, "key"]]
        return np.mean([np.abs(np.diff(pixels.astype(float), axis=0)).mean() for pixels in drawn])

    assert roughness("few") > 1.5 * roughness("many")


# ---------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("damage", ["truncate", "delete", "no facts", "torn facts", "other facts"])
def test_a_damaged_image_is_drawn_again_to_the_same_bytes(checkout, settings, damage):
    resolved = procedural(checkout)
    generate(resolved, settings)
    whole = stored(settings.images_dir)
    path = image_path(settings.images_dir, table(resolved, settings)["key"][5])
    facts = path.with_suffix(".json")
    {
        "truncate": lambda: path.write_bytes(path.read_bytes()[:99]),
        "delete": path.unlink,
        "no facts": facts.unlink,
        "torn facts": lambda: facts.write_text(facts.read_text()[:20]),
        "other facts": lambda: facts.write_text('{"a": 1}'),
    }[damage]()
    outcome = generate(resolved, settings)
    assert stored(settings.images_dir) == whole
    assert outcome.facts["drawn"] == 3  # its batch: the last three of seven
    assert not outcome.warnings


def test_the_twin_an_image_of_other_bytes_is_noticed_when_its_batch_is_drawn_again(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    keys = table(resolved, settings)["key"]
    strange = DrawnImage(np.full((64, 64, 3), 7, dtype=np.uint8))
    write_image(settings.images_dir, keys[0], strange, seconds=0.1, batch_size=4, made={})
    image_path(settings.images_dir, keys[1]).unlink()
    warnings = generate(resolved, settings).warnings
    assert any("1 images, drawn again, have other bytes" in warning for warning in warnings)
    assert any("1 images blank" in warning for warning in warnings)


def test_another_batch_size_in_one_run_is_told_and_the_first_is_the_default(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings, batch_size=2, part=Part(systems=("few",)))
    assert generate(resolved, settings, dry_run=True).facts["batch_size"] == 2
    assert any("several batch sizes [2, 3]" in text for text in generate(resolved, settings, batch_size=3).warnings)


# ---------------------------------------------------------------------------------------- refusals


def test_an_unpinned_revision_is_refused_before_anything_is_written(checkout, settings):
    write_study(checkout, cards={"few": {"loader": "procedural"}, "hub": {"source": "a/b", "revision": "unpinned"}})
    with pytest.raises(UnavailableError, match=r"not pinned: hub .* evalkit fetch trial"):
        generate(resolve("trial", checkout), settings)
    assert not settings.runs_dir.exists()


def test_a_checkpoint_that_was_not_fetched_is_refused_before_anything_is_drawn(checkout, settings):
    card = {"source": "a/b", "revision": "0" * 40, "revision_source": "made up"}
    write_study(checkout, cards={"few": {"loader": "procedural"}, "hub": card})
    with pytest.raises(UnavailableError, match="not in the hub's cache"):
        generate(resolve("trial", checkout), settings)
    assert not settings.images_dir.exists()


def test_two_processes_cannot_work_on_one_run(checkout, settings):
    resolved = procedural(checkout)
    with Run(settings.runs_dir / resolved.run_name).lock(), pytest.raises(RunError, match="another process"):
        generate(resolved, settings)


def test_a_lock_dies_with_its_process(checkout, settings):
    resolved = procedural(checkout)
    folder = settings.runs_dir / resolved.run_name
    code = "import os, pathlib, sys; from evalkit.store.run import Run\n"
    code += f"with Run(pathlib.Path({str(folder)!r})).lock(): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert generate(resolved, settings).facts["listed"] == 14


def test_a_run_begun_on_another_kind_of_device_is_not_mixed(checkout, settings):
    """A GPU draws in half precision, a CPU does not: the same run cannot hold both. What reads it follows the run."""
    (checkout / "sd").mkdir()
    (checkout / "sd/config.json").write_text("{}")
    write_study(checkout, cards={"few": {"loader": "procedural"}, "net": {"source": "sd"}})
    resolved = resolve("trial", checkout)
    run, settings = Run(settings.runs_dir / resolved.run_name), settings.model_copy(update={"device": "cpu"})
    generate(resolved, settings, part=Part(systems=("few",)))
    assert drawing.device_of(run) == "cpu"
    drawing.write(run, drawing.Drawing(4, "cuda"))
    with pytest.raises(RunError, match=r"drawn on cuda, here it would be cpu.*EVALKIT_DEVICE=cuda"):
        generate(resolved, settings)
    prompts = [Prompt(key="w-1", text="a")]
    plans = [plan_images(prompts, resolved, device=device) for device in ("cpu", "cuda", "mps")]
    keys = [[image.key for image in plan] for plan in plans]
    assert keys[1] == keys[2]
    assert [a == b for a, b in zip(keys[0], keys[1], strict=True)] == [True, False]  # shapes have no number format


def test_a_name_that_is_no_key_cannot_lead_anywhere(settings):
    for name in ("../../etc/passwd", "a" * 63 + "/", "A" * 64, ""):
        with pytest.raises(RunError, match="no image key"):
            image_path(settings.images_dir, name)


def test_a_loader_that_is_none_is_named(checkout, settings):
    write_study(checkout, cards={"odd": {"loader": "proceduraal"}})
    (checkout / "shapes").mkdir()
    (checkout / "shapes/file.json").write_text("{}")
    with pytest.raises(EvalkitError, match="did you mean 'procedural'"):
        generate(resolve("trial", checkout), settings)
    write_study(checkout, cards={"odd": {"loader": "unet_nas"}})
    with pytest.raises(ModelError, match="is no loader"):
        generate(resolve("trial", checkout), settings)


def test_ctrl_c_keeps_what_was_drawn_and_goes_on(checkout, settings):
    """Two batches of four were told, and the third was drawn while the second one was stored."""
    resolved = procedural(checkout, images=2)

    def press(what, done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(resolved, settings, progress=press)
    assert len(table(resolved, settings)) == len(stored(settings.images_dir)) == 12
    assert generate(resolved, settings).facts["listed"] == 28


def test_images_are_pictures_that_others_can_open(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    with Image.open(settings.images_dir / table(resolved, settings)["path"][0]) as image:
        assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
