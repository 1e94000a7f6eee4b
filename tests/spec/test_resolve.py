"""What a study names is found; its SHA changes with what can change a result, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.spec.resolve import ResolvedStudy, resolve

CARD = "title: Shapes\nloader: procedural\nsource: shapes\nsize: 64\nsize_multiple: 8\n"
STUDY = """\
title: A study
systems:
  - {name: one, model: shapes, sampling: {steps: 4}}
  - {name: two, model: shapes, sampling: {steps: 8}}
prompts: few
voting: {sample: 2}
"""


@pytest.fixture
def small(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "names", lambda package: ["clip_score"])
    (checkout / "data/models/shapes.yaml").write_text(CARD)
    (checkout / "data/prompts/few.yaml").write_text("title: Few\nsource: data/prompts/few.csv\n")
    (checkout / "data/prompts/few.csv").write_text("key,prompt\na,a red apple\nb,a blue car\nc,a green tree\n")
    (checkout / "studies/x.yaml").write_text(STUDY)
    return checkout


def changed(root: Path, file: str, old: str, new: str) -> ResolvedStudy:
    path = root / file
    path.write_text(path.read_text().replace(old, new))
    return resolve("x", root)


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("studies/x.yaml", "A study", "Another title", True),
        ("data/models/shapes.yaml", "title: Shapes", "title: Forms", True),
        ("studies/x.yaml", "steps: 8", "steps: 9", False),
        ("studies/x.yaml", "{sample: 2}", "{sample: 2, images: 2}", False),
        ("data/models/shapes.yaml", "size: 64", "size: 72", False),
        ("data/prompts/few.csv", "a red apple", "a red pear", False),
        ("data/questions/aesthetics.yaml", "Which image looks better?", "Which is nicer?", False),
    ],
)
def test_the_sha_follows_what_matters(small: Path, file: str, old: str, new: str, same: bool) -> None:
    before = resolve("x", small).sha
    assert (changed(small, file, old, new).sha == before) is same


def test_another_prompt_file_is_another_study_wherever_it_lies(small: Path, tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.csv").write_text("prompt\na cat\n")
    here, there = (resolve("x", small, prompts=str(tmp_path / name / "mine.csv")) for name in ("here", "there"))
    assert here.sha == there.sha != resolve("x", small).sha


def test_a_checkpoint_on_disk_is_known_by_its_bytes(small: Path) -> None:
    folder = small / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    before = changed(small, "data/models/shapes.yaml", "procedural\nsource: shapes", "diffusers\nsource: weights").sha
    (folder / "README.md").write_text("a text changes no picture")
    assert resolve("x", small).sha == before
    (folder / "model.safetensors").write_bytes(b"two")
    assert resolve("x", small).sha != before


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("studies/x.yaml", "model: shapes, sampling: {steps: 4}", "model: shape, sampling: {steps: 4}", "no model"),
        ("studies/x.yaml", "prompts: few", "prompts: fewer", "no prompt set"),
        ("studies/x.yaml", "prompts: few", "prompts: few.csv", "no such prompt file"),
        ("studies/x.yaml", "{sample: 2}", "{sample: 2, questions: [aesthetic]}", "primary_question"),
        ("studies/x.yaml", "prompts: few", "prompts: few\nmetrics: [clip]", "no metric"),
        ("studies/x.yaml", "{steps: 4}", "{steps: 4, width: 60}", "not a multiple of 8"),
        ("data/models/shapes.yaml", "loader: procedural", "revision: abc", "40 hexadecimal digits"),
        ("data/models/shapes.yaml", "loader: procedural", f"revision: {'a' * 40}", "revision_source"),
        ("data/models/shapes.yaml", "loader: procedural", "loader: diffusers", "no such checkpoint folder"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(small: Path, file: str, old: str, new: str, what: str) -> None:
    with pytest.raises(SpecError, match=what):
        changed(small, file, old, new)


def test_a_lock_pins_what_a_card_leaves_open(small: Path) -> None:
    study = changed(small, "data/models/shapes.yaml", "loader: procedural", "revision: unpinned")
    assert study.unpinned() == ["shapes"]
    (small / "studies/x.lock.yaml").write_text(f"models: {{shapes: {'b' * 40}}}\n")
    pinned = resolve("x", small)
    assert pinned.unpinned() == [] and pinned.cards["one"].revision == "b" * 40 and pinned.sha != study.sha
