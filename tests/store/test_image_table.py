"""images.parquet and its parts: many append at once and nothing is lost; what is there is known by listing folders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.spec.identity import digest, image_seed
from evalkit.spec.plan import image_key, image_keys
from evalkit.stages.generate import generate
from evalkit.store import image_table, images
from evalkit.store.images import ImageFacts, lacking, read_facts
from evalkit.store.run import Run
from tests.stages.drawing import procedural

FACTS = ImageFacts("a" * 64, 10, 64, 64, False, False, 0.5, 4)


def keys(count: int, start: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(start, start + count)]


def test_many_append_at_once_and_no_row_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(image_table, "ROWS", 7)

    def worker(number: int) -> None:
        with image_table.Appending(Run(tmp_path)) as table:
            for key in keys(50, start=50 * number):
                table.add(key, FACTS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, range(8)))
    assert image_table.sizes(Run(tmp_path)) == dict.fromkeys(keys(400), 10)


def test_the_newest_part_counts_and_a_damaged_one_is_passed_over(tmp_path):
    run = Run(tmp_path)
    for size in (10, 20):
        with image_table.Appending(run) as table:
            table.add(keys(1)[0], replace(FACTS, bytes=size))
    run.path("images/part-zzz.parquet").write_bytes(b"torn")
    assert image_table.sizes(run) == {keys(1)[0]: 20}


def test_parts_of_a_killed_run_are_taken_in_and_swept(checkout, settings, monkeypatch):
    """Killed between the last part and the listing: the next run draws nothing."""
    resolved = procedural(checkout)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(image_table, "list_images", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        generate(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    assert list(run.path("images").iterdir()) and not run.has("images.parquet")
    outcome = generate(resolved, settings)
    assert (outcome.facts["drawn"], outcome.facts["listed"]) == (0, 14)
    assert not list(run.path("images").iterdir())


def test_a_table_from_before_sizes_were_kept_is_read(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    table = run.read_table("images.parquet", "images")
    table.drop(columns="bytes").to_parquet(run.path("images.parquet"), index=False)
    assert generate(resolved, settings).facts["drawn"] == 0
    assert run.read_table("images.parquet", "images").equals(table)


@pytest.mark.parametrize("fault", ["no picture", "no facts", "cut short"])
def test_the_twin_an_image_that_is_not_whole_is_lacking(checkout, settings, fault):
    resolved = procedural(checkout)
    generate(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    known = image_table.sizes(run)
    assert None not in dict(lacking(settings.images_dir, known, known)).values()
    key = next(iter(known))
    picture = images.image_path(settings.images_dir, key)
    if fault == "cut short":
        picture.write_bytes(picture.read_bytes()[:-1])
    else:
        (picture if fault == "no picture" else picture.with_suffix(".json")).unlink()
    found = dict(lacking(settings.images_dir, known, known))
    assert [name for name, facts in found.items() if facts is None] == [key]
    assert dict(lacking(settings.images_dir, [next(reversed(known))], {})) == {
        next(reversed(known)): read_facts(settings.images_dir, next(reversed(known)))
    }


@given(text=st.text(), identity=st.text("0123456789abcdef", max_size=8), seed=st.integers(0, 2**63 - 1))
def test_keys_are_digests_of_the_canonical_json(text, identity, seed):
    assert image_key(identity, text, seed) == digest([identity, text, seed])
    assert image_keys(identity, text, [seed, 0]) == [digest([identity, text, seed]), digest([identity, text, 0])]


@given(key=st.text(), study=st.integers(), index=st.integers(0, 50))
def test_seeds_are_what_they_were(key, study, index):
    assert image_seed(study, key, index) == int(digest([study, key, index])[:16], 16) >> 1
