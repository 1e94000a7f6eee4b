"""Batches depend on the whole plan only; what was drawn is kept, whatever ends the run."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.engines import Job
from evalkit.engines.batches import Batch, cut, work_for
from evalkit.engines.local import Local
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import PlannedImage
from evalkit.store.images import DrawnImage


def plan(count, system="a", same_keys=False):
    return [
        PlannedImage(f"{'' if same_keys else system}{n}", system, Prompt(key=f"p{n}", text="x"), 0, n, 8, 8)
        for n in range(count)
    ]


def draw(planned):
    return [DrawnImage(np.full((8, 8, 3), image.seed, dtype=np.uint8)) for image in planned]


@given(count=st.integers(0, 40), size=st.integers(1, 9))
def test_batches_are_the_plan_in_order_and_always_full(count, size):
    batches = cut(plan(count), size)
    assert [image for batch in batches for image in batch.images] == plan(count)
    assert all(len(batch.full()) == size for batch in batches)
    assert all(batch.full()[: len(batch.images)] == list(batch.images) for batch in batches)


@given(count=st.integers(1, 40), size=st.integers(1, 9), data=st.data())
def test_a_batch_stays_what_it_is_whatever_is_missing(count, size, data):
    whole = plan(count)
    missing = data.draw(st.sets(st.sampled_from([image.key for image in whole])))
    work = work_for(whole, whole, missing, ["a"], size)
    todo = work.batches.get("a", [])
    assert set(todo) <= set(cut(whole, size))
    assert missing <= {image.key for batch in todo for image in batch.images}
    assert all(missing & {image.key for image in batch.images} for batch in todo)


def test_the_twin_batches_cut_from_what_is_missing_would_change():
    """The planted fault: cutting from the missing images alone gives other companions after an interruption."""
    whole = plan(6)
    assert cut(whole[1:], 2)[0] not in cut(whole, 2)


def test_a_key_of_two_systems_is_drawn_once():
    whole = plan(3, "a", same_keys=True) + plan(3, "b", same_keys=True)
    work = work_for(whole, whole, {"0", "1", "2"}, ["a", "b"], 2)
    assert list(work.batches) == ["a"]
    assert work.images == 3


def run(batches, store, compute=None):
    return list(Local().run(batches, lambda: Job(compute or (lambda batch: draw(batch.full())), store)))


def test_every_batch_is_stored_with_its_own_images():
    def store(batch, images):
        return {image.key: int(drawn.pixels[0, 0, 0]) for image, drawn in zip(batch.images, images, strict=False)}

    found = run(cut(plan(10), 4), store)
    assert found == [{f"a{n}": n for n in part} for part in (range(4), range(4, 8), range(8, 10))]


def test_writing_overlaps_with_drawing():
    """Storing the first batch waits until the second one is being drawn: without overlap it would never end."""
    second = threading.Event()

    def drawing(batch):
        if batch.images[0].seed == 2:
            second.set()
        return draw(batch.full())

    assert run(cut(plan(4), 2), lambda *_: second.wait(20), drawing) == [True, True]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_what_was_drawn_before_an_interruption_is_kept(fault):
    kept = []

    def failing(batch):
        if batch.images[0].seed >= 4:
            raise fault
        return draw(batch.full())

    with pytest.raises(fault):
        run(cut(plan(8), 2), lambda batch, _: kept.extend(image.seed for image in batch.images), failing)
    assert sorted(kept) == [0, 1, 2, 3]


def test_an_error_of_a_writer_ends_the_run():
    def store(*_):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run([Batch(tuple(plan(1)), 1)], store)


def test_nothing_to_do_loads_nothing():
    assert list(Local().run([], lambda: pytest.fail("loaded"))) == []
