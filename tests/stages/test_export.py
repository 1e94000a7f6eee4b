"""The exported data, read back by those who would read it: pandas, datasets, mlcroissant."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from evalkit.errors import RunError
from evalkit.exports import codebook
from evalkit.settings import Settings
from evalkit.stages.export import export
from evalkit.store.run import Run
from tests.sections.simulated_run import Plan, simulate_run

TABLES = ("votes", "raters", "images", "scores")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, _env_file=None)


@pytest.fixture
def run(tmp_path: Path, settings: Settings) -> Run:
    """A small study with its pictures in the folder of images."""
    texts = ('a "quoted" apple, red', "تفاحة حمراء", "two\nlines")
    made = simulate_run(
        tmp_path / "runs" / "simulated-ab12cd34", Plan(prompts=3, images=2, raters=4, prompt_texts=texts)
    )
    for place, row in enumerate(made.read_table("images.parquet", "images").itertuples()):
        path = settings.images_dir / str(row.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (place * 9, 80, 90)).save(path)
    return made


def test_every_format_holds_every_row_and_column(run: Run, settings: Settings) -> None:
    outcome = export(run, settings)
    folder = outcome.where
    assert folder is not None
    for name in ("votes", "raters", "images"):
        source = run.read_table(f"{name}.parquet", name)
        parquet = pd.read_parquet(folder / f"{name}.parquet")
        pd.testing.assert_frame_equal(parquet, source)
        text = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        assert text.shape == source.shape and list(text.columns) == list(source.columns)
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        assert len(lines) == len(source) and set(lines[0]) == set(source.columns)
    assert list(pd.read_csv(folder / "images.csv")["prompt"].unique()) == [
        'a "quoted" apple, red',
        "تفاحة حمراء",
        "two\nlines",
    ]
    assert outcome.facts["rows"]["scores"] == 12


def test_the_codebook_explains_every_column_that_a_run_can_have(run: Run, settings: Settings) -> None:
    assert {name: set(columns) for name, columns in codebook.TABLES.items()} == {
        name: set(meanings) for name, meanings in codebook.MEANINGS.items()
    }
    folder = export(run, settings).where
    assert folder is not None
    text = (folder / "codebook.md").read_text()
    assert all(f"| `{column}` |" in text for columns in codebook.MEANINGS.values() for column in columns)


def test_croissant_metadata_is_valid_and_finds_every_record(run: Run, settings: Settings) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    folder = export(run, settings).where
    assert folder is not None
    dataset = croissant.Dataset(jsonld=folder / "croissant.json")
    assert not list(dataset.metadata.issues.errors)
    records = list(dataset.records(record_set="votes"))
    source = run.read_table("votes.parquet", "votes")
    assert len(records) == len(source)
    assert records[0]["votes/choice"].decode() == source["choice"][0]


def test_the_twin_a_file_changed_after_the_export_is_refused(run: Run, settings: Settings) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    folder = export(run, settings).where
    assert folder is not None
    record = json.loads((folder / "croissant.json").read_text())
    record["recordSet"][0]["field"][0]["source"]["extract"]["column"] = "no_such_column"
    (folder / "croissant.json").write_text(json.dumps(record))
    with pytest.raises(Exception, match=r"votes\.csv"):
        list(croissant.Dataset(jsonld=folder / "croissant.json").records(record_set="votes"))


def test_the_hub_layout_loads_with_datasets(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    outcome = export(run, settings, hub_layout=True)
    assert outcome.where is not None and outcome.facts["pictures"] == 12
    cache = str(tmp_path / "cache")
    for place in (outcome.where, outcome.where / "images"):  # by the card's configuration, and the folder alone
        loaded = datasets.load_dataset(str(place), split="train", cache_dir=cache)
        assert loaded.num_rows == 12 and loaded[0]["image"].size == (64, 64)
        source = run.read_table("images.parquet", "images").set_index("key")
        for row in loaded:
            assert row["prompt"] == source.loc[row["key"], "prompt"] and isinstance(row["clip_score"], float)
            assert row["image"].getpixel((0, 0)) == Image.open(
                settings.images_dir / source.loc[row["key"], "path"]
            ).getpixel((0, 0))
    votes = datasets.load_dataset(
        "parquet", data_files=str(outcome.where / "votes.parquet"), split="train", cache_dir=cache
    )
    assert votes.num_rows == outcome.facts["rows"]["votes"]


def test_what_is_open_or_missing_is_said(run: Run, settings: Settings) -> None:
    path = run.read_table("images.parquet", "images")["path"][3]
    (settings.images_dir / path).unlink()
    with pytest.raises(RunError, match="1 of 12 pictures are not there"):
        export(run, settings, hub_layout=True)
    run.write_json("voting.json", {"closed_at": None})
    with pytest.raises(RunError, match="still open"):
        export(run, settings)
