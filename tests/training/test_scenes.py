"""The renderer: the same seed draws the same pictures, and what is held out never reaches the training stream."""

import numpy as np
import pytest

from evalkit.errors import UnavailableError
from evalkit.training import scenes, vocabulary
from evalkit.training.scenes import Batch, Graphics
from evalkit.training.vocabulary import COLOUR_NAMES, COLOURS, KINDS, Scene


def leaked(batch: Batch) -> list[Scene]:
    """The check: held-out combinations in a batch."""
    return [scene for scene in batch.scenes if vocabulary.held_out(scene)]


def test_the_same_seed_and_step_give_the_same_batch(sprites: Graphics) -> None:
    one, two = (scenes.training_batch(sprites, 16, seed=3, step=5) for _ in range(2))
    assert np.array_equal(one.pixels, two.pixels) and one.captions == two.captions and one.scenes == two.scenes
    other = scenes.training_batch(sprites, 16, seed=3, step=6)
    assert not np.array_equal(one.pixels, other.pixels)


def test_held_out_combinations_never_reach_the_stream(sprites: Graphics) -> None:
    batch = scenes.training_batch(sprites, 3_000, seed=1, step=0)
    assert leaked(batch) == []
    assert {(scene.kind, scene.colour) for scene in batch.scenes} >= {(0, 0), (len(KINDS) - 1, 0)}


def test_the_check_sees_a_planted_leak(sprites: Graphics) -> None:
    planted = scenes.scene_batch(sprites, vocabulary.scenes("all"), seed=1)
    assert len(leaked(planted)) == len(KINDS)


def test_held_out_templates_and_their_new_words_never_reach_the_stream(sprites: Graphics) -> None:
    captions = scenes.training_batch(sprites, 2_000, seed=2, step=0).captions
    assert not [caption for caption in captions if caption.startswith("on a") or "drawing" in caption]
    planted = vocabulary.caption(vocabulary.HELD_OUT_TEMPLATES[1], "dog", "blue")
    assert "drawing" in planted


def test_one_colour_of_every_object_is_held_out_spread_over_all_colours() -> None:
    held = vocabulary.scenes("held_out")
    assert sorted(scene.kind for scene in held) == list(range(len(KINDS)))
    assert {scene.colour for scene in held} == set(range(len(COLOURS)))
    assert set(held).isdisjoint(vocabulary.scenes("seen"))
    assert len(held) + len(vocabulary.scenes("seen")) == len(vocabulary.scenes("all")) == len(KINDS) * len(COLOURS)


def test_the_background_has_the_asked_colour_and_the_object_lies_within(sprites: Graphics) -> None:
    for colour, name in enumerate(COLOUR_NAMES):
        picture = scenes.draw(sprites, Scene(0, colour), np.random.default_rng(colour))
        corner = picture[0, 0].astype(int)
        assert np.abs(corner - COLOURS[name]).max() <= scenes.COLOUR_JITTER
        assert (picture[0] == picture[0, 0]).all() and (picture[:, -1] == picture[0, 0]).all()
        assert not (picture[32, 32] == picture[0, 0]).all()


def test_names_are_distinct_and_captions_read_as_english() -> None:
    names = [name for kind in KINDS for name in (kind.name, *kind.synonyms)]
    assert len(names) == len(set(names))
    apple = next(index for index, kind in enumerate(KINDS) if kind.name == "red apple")
    assert vocabulary.canonical(Scene(apple, COLOUR_NAMES.index("blue"))) == "a red apple on a blue background"
    assert vocabulary.caption("{a_object}, {a_colour}", "owl", "orange") == "an owl, an orange"


def test_missing_graphics_say_where_and_what_to_do(tmp_path: object) -> None:
    with pytest.raises(UnavailableError, match=r"evalkit\.training"):
        scenes.load_graphics(tmp_path)  # type: ignore[arg-type]
