"""The plan: seeds shared by the systems, keys by content, samples that anybody can draw again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import prompts
from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.identity import draw, image_seed
from evalkit.spec.plan import Part, PlannedImage, plan_images, select_prompts, voting_keys
from evalkit.spec.resolve import resolve

CARD = "title: Shapes\nloader: procedural\nsource: shapes\nsize: 64\n"
STUDY = """\
title: A study
systems:
  - {name: one, model: shapes, sampling: {steps: 4}}
  - {name: two, model: shapes, sampling: {steps: 8}}
prompts: few
images: 2
voting: {sample: 2, images: 3}
"""


def plan(root: Path, part: Part | None = None, study: str = STUDY) -> list[PlannedImage]:
    (root / "data/models/shapes.yaml").write_text(CARD)
    (root / "data/prompts/few.yaml").write_text("title: Few\nsource: data/prompts/few.csv\n")
    rows = [f"p{number},prompt {number},{'fruit' if number % 2 else 'cars'}" for number in range(6)]
    (root / "data/prompts/few.csv").write_text("\n".join(["key,prompt,category", *rows]) + "\n")
    (root / "studies/x.yaml").write_text(study)
    resolved = resolve("x", root)
    chosen = select_prompts(prompts.load(resolved.prompt_set, Settings(root=root, _env_file=None)), resolved)
    assert len(voting_keys(chosen, resolved)) == 2
    return plan_images(chosen, resolved, part or Part())


def test_counts_seeds_and_keys(checkout: Path) -> None:
    images = plan(checkout)
    assert len(images) == 2 * (6 * 2 + 2 * 1)
    assert len({image.key for image in images}) == len(images)
    one, two = ([image for image in images if image.system == name] for name in ("one", "two"))
    assert [image.seed for image in one] == [image.seed for image in two], "paired noise"
    assert one[0].seed == image_seed(0, "p0", 0)


def test_parts_pick_from_the_same_plan(checkout: Path) -> None:
    whole = {image.key for image in plan(checkout)}
    for part in (Part(limit=2), Part(sample=3), Part(categories=("fruit",)), Part(systems=("two",))):
        picked = {image.key for image in plan(checkout, part)}
        assert picked < whole
    with pytest.raises(SpecError, match="no category"):
        plan(checkout, Part(categories=("fruits",)))
    with pytest.raises(SpecError, match="no system"):
        plan(checkout, Part(systems=("too",)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("steps: 8", "steps: 9"), ("seed: 0", "seed: 1"), ("guidance: 7.5", "guidance: 7"), ("width: 64", "width: 72")],
)
def test_a_key_covers_what_changes_pixels(checkout: Path, old: str, new: str) -> None:
    study = STUDY.replace("{steps: 8}", "{steps: 8, guidance: 7.5, width: 64}") + "seed: 0\n"
    before = {image.key for image in plan(checkout, study=study) if image.system == "two"}
    after = {image.key for image in plan(checkout, study=study.replace(old, new)) if image.system == "two"}
    assert not before & after


@given(st.sets(st.text(min_size=1, max_size=8), max_size=40), st.integers(0, 50), st.integers())
def test_a_draw_is_the_smallest_hashes_in_file_order(keys: set[str], size: int, seed: int) -> None:
    ordered = sorted(keys)
    drawn = draw(ordered, size, seed)
    hashes = {key: hashlib.sha256(f"{seed}|{key}".encode("utf-8", "surrogatepass")).digest() for key in keys}
    assert len(drawn) == min(size, len(keys)) and drawn == sorted(drawn)
    left = keys - set(drawn)
    assert not drawn or not left or max(hashes[key] for key in drawn) < min(hashes[key] for key in left)
