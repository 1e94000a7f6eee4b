"""What the panels of the health card look at: prompts drawn by the seed in one, every image in the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.metrics._health_bias import bias_rows
from evalkit.metrics._health_fragile import MOST_IMAGES, _said, drawn, fragile_rows
from evalkit.metrics._health_memory import memory_rows
from evalkit.metrics._health_rows import Subject
from evalkit.metrics._metric import FeatureSet, Inference
from evalkit.metrics._sheet import Scope
from evalkit.stats.frechet import frechet_distance_from_features, moments

PROMPTS, DIMENSIONS = 300, 8


def subject(reference: FeatureSet | None = None, *, seed: int = 0, prompts: int = PROMPTS) -> Subject:
    """Two images a prompt, sorted by category as a prompt set is: the second half of the prompts is another one."""
    rng = np.random.default_rng(1)
    labels = np.repeat([f"p-{number:03}" for number in range(prompts)], 2)
    category = np.repeat(["animals", "plants"], prompts)
    rows = rng.standard_normal((2 * prompts, DIMENSIONS)).astype(np.float32)
    columns = {"key": [f"image-{n}" for n in range(2 * prompts)], "category": category}
    images = pd.DataFrame(columns | {"image_index": np.tile([0, 1], prompts)})
    known = reference or rows_of(rng.standard_normal((500, DIMENSIONS)))
    scope = Scope(("one",), 2, Inference(seed))
    return Subject("one", images, FeatureSet(rows, labels), known, None, "a test", Path, 8, scope, None)


def rows_of(rows: np.ndarray) -> FeatureSet:
    return FeatureSet(rows, np.arange(len(rows)).astype(np.str_))


def statistics() -> FeatureSet:
    """A reference set of which mean and covariance are known only."""
    known = moments([np.random.default_rng(2).standard_normal((500, DIMENSIONS))])
    return FeatureSet(np.zeros((0, DIMENSIONS)), np.array([], dtype=np.str_), known)


def test_prompts_of_a_sorted_set_are_drawn_by_the_seed_and_not_from_its_beginning():
    whole = subject()
    seen = drawn(whole)
    assert len(seen.images) == len(seen.features.rows) == MOST_IMAGES
    share = (seen.images["category"] == "plants").mean()
    first = (whole.images["category"].iloc[:MOST_IMAGES] == "plants").mean()
    assert abs(share - 0.5) < 0.15 and first == 0  # the twin: what comes first is of one category
    assert (seen.images.groupby(seen.features.prompts).size() == 2).all()  # whole prompts
    places = seen.images["key"].str.removeprefix("image-").astype(int).to_numpy()
    assert np.array_equal(seen.features.rows, whole.features.rows[places])
    assert drawn(subject()).images.equals(seen.images) and not drawn(subject(seed=1)).images.equals(seen.images)
    assert _said(seen, 600) == "256 of 600 images, of 128 prompts drawn by seed 0"


def test_a_small_set_is_seen_whole_and_nothing_is_said_of_drawing():
    small = subject(prompts=20)
    assert drawn(small) is small and _said(small, 40) == ""


def test_bias_and_memorisation_see_every_image():
    whole = subject()
    plain = next(row for row in bias_rows(whole) if row["measure"] == "plain")
    rows, base = (one.rows.astype(float) for one in (whole.features, whole.reference))
    assert plain["n"] == 600 and plain["value"] == pytest.approx(frechet_distance_from_features(rows, base), rel=1e-9)
    found = {row["measure"]: row for row in memory_rows(whole)}
    assert found["AuthPct"]["n"] == 600 and found["near-duplicates"]["n"] == PROMPTS
    gaps = [np.linalg.norm(rows[2 * place] - rows[2 * place + 1]) for place in range(PROMPTS)]
    typical = np.median(np.linalg.norm(rows - np.roll(rows, PROMPTS, axis=0), axis=1))
    assert found["nearest seeds"]["value"] == pytest.approx(min(gaps) / typical, rel=1e-6)


def test_a_reference_of_statistics_only_is_named_as_the_reason():
    blamed = subject(statistics())
    (fragile,) = fragile_rows(blamed)
    bias = {row["measure"]: row for row in bias_rows(blamed)}
    memory = memory_rows(blamed)[0]
    for row in (fragile, bias["corrected"], memory):
        assert row["value"] is None and row["note"].startswith("the reference set is known by its mean and covariance")
    assert bias["plain"]["value"] > 0 and bias["FD-infinity"]["value"] is not None
    few = subject(prompts=5)  # the twin: here it is the images that are too few
    assert fragile_rows(few)[0]["note"].startswith("10 images against 500 of the reference set: too few")
    assert bias_rows(subject(rows_of(np.zeros((1, DIMENSIONS)))))[0]["note"].startswith("600 images against 1 of the")
