"""Agreement, against krippendorff, statsmodels and worked examples; undefined where everything is the same."""

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from evalkit.stats.agreement import fleiss_kappa, gwet_ac1, krippendorff_alpha, raw_agreement

GAP = np.nan
CANONICAL = np.array(  # Krippendorff 2011, 4 raters x 12 items
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
)
COEFFICIENTS = [krippendorff_alpha, fleiss_kappa, gwet_ac1, raw_agreement]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def long(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seen = ~np.isnan(matrix)
    return np.broadcast_to(np.arange(matrix.shape[1]), matrix.shape)[seen], matrix[seen]


def random_ratings(seed: int, gaps: bool) -> np.ndarray:
    draw = np.random.default_rng(seed)
    truth = draw.integers(1, 5, 15)
    ratings = np.where(draw.random((4, 15)) < 0.6, truth, draw.integers(1, 5, (4, 15))).astype(float)
    ratings[(draw.random((4, 15)) < 0.3) & gaps] = GAP
    return ratings


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)]
)
def test_alpha_of_the_canonical_example(level, alpha: float) -> None:
    estimate = krippendorff_alpha(*long(CANONICAL), rng=rng(), level=level)
    assert estimate.value == pytest.approx(alpha, abs=5e-7)
    assert estimate.low < estimate.value < estimate.high and estimate.n == 40


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), level=st.sampled_from(["nominal", "ordinal", "interval", "ratio"]))
def test_alpha_is_that_of_krippendorff(seed: int, level) -> None:
    ratings = random_ratings(seed, gaps=True)
    estimate = krippendorff_alpha(*long(ratings), rng=rng(), level=level, resamples=10)
    assert estimate.value == pytest.approx(krippendorff.alpha(ratings, level_of_measurement=level), abs=1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_fleiss_kappa_is_that_of_statsmodels(seed: int) -> None:
    ratings = random_ratings(seed, gaps=False)
    estimate = fleiss_kappa(*long(ratings), rng=rng(), resamples=10)
    assert estimate.value == pytest.approx(statsmodels_fleiss(aggregate_raters(ratings.T)[0]))


def test_gwet_ac1_of_a_two_by_two_table() -> None:
    # Gwet 2008: both yes 118, yes-no 5, no-yes 2, both no 0 -> pa .944, pe 2 pi (1 - pi) with pi = .972
    first = np.repeat([1, 1, 0, 0], [118, 5, 2, 0])
    second = np.repeat([1, 0, 1, 0], [118, 5, 2, 0])
    estimate = gwet_ac1(np.tile(np.arange(125), 2), np.concatenate([first, second]), rng=rng())
    agreed, share = 118 / 125, (123 + 120) / 250
    chance = 2 * share * (1 - share)
    assert estimate.value == pytest.approx((agreed - chance) / (1 - chance))
    assert raw_agreement(np.tile(np.arange(125), 2), np.concatenate([first, second]), rng=rng()).value == agreed


def test_gwet_ac1_counts_the_choices_that_nobody_took() -> None:
    items, ratings = long(random_ratings(1, gaps=False))
    assert gwet_ac1(items, ratings, rng=rng(), categories=10).value > gwet_ac1(items, ratings, rng=rng()).value


@pytest.mark.parametrize("coefficient", COEFFICIENTS[:3])
def test_equal_ratings_are_undefined_never_one(coefficient) -> None:
    estimate = coefficient(np.arange(20) % 10, ["tie"] * 20, rng=rng())
    assert estimate.value is None and estimate.note == "undefined because every rating is the same"


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_one_rating_per_item_is_undefined(coefficient) -> None:
    estimate = coefficient(np.arange(10), list("ababababab"), rng=rng())
    assert estimate.value is None and "no item has two" in estimate.note
    assert coefficient([], [], rng=rng()).value is None


def test_fleiss_kappa_of_unequal_raters_is_undefined() -> None:
    estimate = fleiss_kappa(*long(CANONICAL), rng=rng())
    assert estimate.value is None and "1 to 4" in estimate.note


def test_few_items_have_a_value_and_no_interval() -> None:
    estimate = krippendorff_alpha(*long(CANONICAL[:, :6]), rng=rng())
    assert estimate.value is not None and estimate.low is None and "8 items" in estimate.note


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_order_and_names_do_not_matter(coefficient, seed: int) -> None:
    items, ratings = long(random_ratings(seed, gaps=False))
    order = np.random.default_rng(seed).permutation(items.size)
    names = np.array(["", "b", "a", "tie", "neither"])[ratings.astype(int)]
    one = coefficient(items, ratings, rng=rng(), resamples=10).value
    other = coefficient(items[order], names[order], rng=rng(), resamples=10).value
    assert other == pytest.approx(one)


def test_coding_sides_for_systems_destroys_agreement() -> None:
    draw = np.random.default_rng(4)
    better = draw.choice([1, -1], 60)
    votes = np.where(draw.random((6, 60)) < 0.9, better, -better).astype(float)
    sides = votes * draw.choice([1, -1], (6, 60))
    right, wrong = (krippendorff_alpha(*long(x), rng=rng()) for x in (votes, sides))
    assert right.low > 0.4 and wrong.high < 0.1


def test_the_bootstrap_interval_covers_the_long_run_value() -> None:
    whole = krippendorff_alpha(*long(_study(np.random.default_rng(1), 20_000)), rng=rng(), resamples=10).value
    draw, hits = np.random.default_rng(2), 0
    for _ in range(100):
        estimate = krippendorff_alpha(*long(_study(draw, 60)), rng=draw, resamples=300)
        hits += estimate.low <= whole <= estimate.high
    assert hits >= 85  # .95 expected; below 85 has a chance of 1e-4


def _study(draw: np.random.Generator, items: int) -> np.ndarray:
    truth = draw.integers(1, 4, items)
    return np.where(draw.random((3, items)) < 0.6, truth, draw.integers(1, 4, (3, items))).astype(float)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_interval(seed: int) -> None:
    items, ratings = long(random_ratings(seed, gaps=True))
    assume(np.unique(ratings).size > 1)
    one, other = (krippendorff_alpha(items, ratings, rng=np.random.default_rng(seed), resamples=50) for _ in range(2))
    assert one == other
