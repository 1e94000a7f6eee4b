"""Captions with pictures, unpacked from a data set: each revision once, and a table of one's own is left alone."""

import pyarrow
import pytest
import yaml
from pyarrow import parquet

from evalkit.errors import SpecError, UnavailableError
from evalkit.prompts import captions, load
from evalkit.spec.catalog import PromptSet
from evalkit.spec.resolve import resolve
from evalkit.stages.fetch import needs
from tests.conftest import ROOT
from tests.stages.drawing import procedural

SET = PromptSet(name="scenes", title="Scenes", loader="captions", source="some/scenes", table="data/scenes.csv")
FIRST, SECOND = "a" * 40, "b" * 40


def data_set(path, text, column="caption"):
    row = {"image": {"bytes": b"\x89PNG" + text.encode(), "path": None}, column: text}
    parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    return path


def test_another_revision_takes_the_place_of_the_first(settings):
    table = settings.root / SET.table
    with pytest.raises(UnavailableError, match="not fetched yet"):
        load(SET, settings)
    for revision, text in ((FIRST, 'a "red" box, old\nand worn'), (SECOND, "a blue box")):
        file = data_set(settings.root / "data.parquet", text)
        assert not captions.is_unpacked(table, revision)
        captions.unpack(SET, revision, [file], table)
        assert captions.is_unpacked(table, revision) and not captions.is_own(table)
        assert [(one.key, one.text) for one in load(SET, settings)] == [("scenes-00001", text)]


def test_a_table_of_ones_own_stands_in_for_the_data_set(settings):
    """It is neither written over nor downloaded, whatever is in it; without it, the reference is a need."""
    procedural(settings.root, metrics=["fd_lite0"], reference=SET.table)
    card = SET.model_dump(mode="json", exclude={"name"}, exclude_defaults=True) | {"revision": "unpinned"}
    (settings.root / "data/prompts/scenes.yaml").write_text(yaml.safe_dump(card))
    resolved = resolve("trial", settings.root)
    assert [need.source for need in needs(resolved, settings)] == ["some/scenes"]
    table = settings.root / SET.table
    for content in (b"key,prompt,image\n1,a box,mine/1.png\n", b"\xff\xfe", b""):
        table.write_bytes(content)
        captions.unpack(SET, FIRST, [data_set(settings.root / "data.parquet", "theirs")], table)
        assert table.read_bytes() == content and needs(resolved, settings) == []


def test_a_data_set_without_captions_is_refused_and_nothing_is_written(settings):
    table = settings.root / SET.table
    with pytest.raises(SpecError, match="no column 'caption'") as error:
        captions.unpack(SET, FIRST, [data_set(settings.root / "data.parquet", "x", column="words")], table)
    assert "words" in str(error.value.hint) and not table.exists()


def test_the_reference_of_fid_coco_comes_from_its_hub_source(settings):
    """Its revision is the lock's to give, never invented."""
    resolved = resolve("fid-coco", ROOT)
    if not captions.is_own(ROOT / resolved.prompt_set.table):
        [need] = [need for need in needs(resolved, settings) if need.kind == "dataset"]
        assert need.source == "sayakpaul/coco-30-val-2014" and need.revision is None
    assert resolved.study.reference == resolved.prompt_set.table
