"""PartiPrompts, from the file as it was published."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evalkit import prompts
from evalkit.errors import EvalkitError
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog
from tests.conftest import ROOT

CATEGORIES = {
    **{"Animals": 314, "Artifacts": 287, "World Knowledge": 214, "People": 177, "Outdoor Scenes": 131},
    **{"Illustrations": 124, "Vehicles": 104, "Food & Beverage": 74, "Arts": 66, "Abstract": 51},
    **{"Produce & Plants": 50, "Indoor Scenes": 40},
}
CHALLENGES = {
    **{"Fine-grained Detail": 312, "Basic": 272, "Simple Detail": 232, "Style & Format": 206, "Imagination": 150},
    **{"Complex": 113, "Writing & Symbols": 91, "Quantity": 90, "Perspective": 70, "Linguistic Structures": 61},
    **{"Properties & Positioning": 35},
}
SET = Catalog(ROOT).prompt_set("parti")


def test_the_published_counts(shared_data: Path) -> None:
    found = prompts.load(SET, Settings(root=ROOT, parti=shared_data / "PartiPrompts.tsv", _env_file=None))
    assert len({prompt.text for prompt in found}) == 1632
    assert [found[0].key, found[-1].key] == ["parti-0001", "parti-1632"]
    assert Counter(prompt.category for prompt in found) == CATEGORIES
    assert Counter(prompt.challenge for prompt in found) == CHALLENGES
    assert sum(prompt.text.startswith('"G I G G L E" painted') for prompt in found) == 1


def test_a_sample_file_covers_the_same_code(tmp_path: Path) -> None:
    rows = ["Prompt\tCategory\tChallenge\tNote", '"G I G" painted\tArts\tBasic\t', "a cat, tabby\tAnimals\tBasic\tnote"]
    (tmp_path / "few.tsv").write_text("\n".join(rows) + "\n")
    few = SET.model_copy(update={"count": 2})
    found = prompts.load(few, Settings(root=ROOT, parti=tmp_path / "few.tsv", _env_file=None))
    assert [prompt.text for prompt in found] == ['"G I G" painted', "a cat, tabby"]


@pytest.mark.parametrize("content", ["", "a\tb\nc\td\n", "Prompt\tCategory\tChallenge\nx\tArts\tBasic\n"])
def test_a_file_that_is_not_parti_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "few.tsv").write_text(content)
    with pytest.raises(EvalkitError):
        prompts.load(SET, Settings(root=ROOT, parti=tmp_path / "few.tsv", _env_file=None))


def test_without_hub_or_cache_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    for constants in (datasets.config, pytest.importorskip("huggingface_hub").constants):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # both read the environment when imported
    pinned = SET.model_copy(update={"revision": "a" * 40, "source": "evalkit-tests/absent"})
    for prompt_set in (SET, pinned):
        with pytest.raises(EvalkitError) as caught:
            prompts.load(prompt_set, Settings(root=ROOT, _env_file=None))
        assert "EVALKIT_PARTI" in caught.value.hint and prompt_set.source in caught.value.where
