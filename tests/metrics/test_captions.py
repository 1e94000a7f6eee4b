"""Captions with reference images: what may be called FID, and what a table must hold."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.metrics._captions import captioned_pictures, other_prompts
from evalkit.metrics._metric import Inference, Workplace
from evalkit.metrics._reference import reference_at
from evalkit.metrics._set_sheet import set_sheet
from evalkit.metrics._sheet import Scope
from evalkit.stages.score import score
from tests.stages.scoring import PROMPTS, drawn_study, record, reference_folder, run_of, value_of


def captions(folder: Path, keys: list[str]) -> str:
    """A table of captions with a picture of noise each; its path as a study file names it."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "prompt", "image"])
        for number, key in enumerate(keys):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"pictures/{number}.png")
            writer.writerow([key, f"caption {number}", f"pictures/{number}.png"])
    return str(folder / "captions.csv")


def test_a_folder_with_captions_is_a_reference_set(settings):
    table = captions(settings.root / "data" / "scenes", [f"s-{number}" for number in range(PROMPTS)])
    resolved = drawn_study(settings, metrics=("fd_lite0", "kid_lite0"), reference=table)
    score(resolved, settings)
    told = record(resolved, settings)
    for metric in ("fd_lite0", "kid_lite0"):
        row = value_of(told, "few", metric=metric)
        assert row["value"] > 0 and row["n"] == PROMPTS and "ref=captions:" in row["signature"]
    run = run_of(resolved, settings)
    card = run.read_table("health.parquet", "health")
    nearest = card.loc[card["measure"] == "nearest image", "other"]
    assert len(nearest) and all(run.path(f"thumbnails/reference-{sha}.webp").is_file() for sha in nearest)


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_images_of_other_prompts_are_never_called_fid(settings, name):
    """Parti against COCO: no number, and a sentence that says why, before any network is loaded."""
    table = captions(settings.root / "data" / "coco", [f"coco-{number}" for number in range(8)])
    columns = {
        "image_index": 0,
        "system": "deci",
        "lang": "en",
        "category": "",
        "challenge": "",
        "problem": "",
        "flagged": False,
        "blank": False,
    }
    images = pd.DataFrame({"prompt_key": ["parti-1", "parti-2"], "sha256": "0", "file": "0.png", **columns})
    for reference, said in ((table, "is not called FID or KID"), (reference_folder(settings), "has no captions")):
        found = set_sheet(
            *(name, registry.get("metrics", name), "inception", reference_at(settings.root / reference), images),
            *(Scope(("deci",), 1, Inference()), Workplace(settings, settings.data_dir)),
        )
        (row,) = found.values
        assert row["value"] is None and said in row["note"]


def test_the_same_prompts_may_be_called_fid(tmp_path):
    """The twin: with its own captions nothing stands in the way."""
    table = Path(captions(tmp_path, ["a", "b", "c"]))
    assert other_prompts(table, ["b", "a", "a"]) is None
    assert "2 prompts have no image" in str(other_prompts(table, ["a", "x", "y"]))


def test_a_table_without_its_column_or_picture_is_refused_with_its_line(tmp_path):
    table = Path(captions(tmp_path, ["a", "b"]))
    (tmp_path / "pictures" / "1.png").unlink()
    with pytest.raises(SpecError, match=r"no such picture: pictures/1\.png"):
        captioned_pictures(table)
    table.write_text("key,prompt\na,b\n", encoding="utf-8")
    with pytest.raises(SpecError, match="no column `image`"):
        captioned_pictures(table)
