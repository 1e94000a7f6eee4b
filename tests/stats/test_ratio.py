"""Ratios of times: an independent formula, properties, and what drift does to those who don't interleave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.runtimes._rounds import turned
from evalkit.stats.ratio import median_band, paired_ratio

times = st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=30)


def test_it_is_the_paired_t_interval_of_the_logarithms() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.lognormal(0, 0.1, 12), rng.lognormal(0.3, 0.1, 12)
    found = paired_ratio(a, b)
    reference = stats.ttest_rel(np.log(a), np.log(b)).confidence_interval()
    assert (found.low, found.high) == pytest.approx((np.exp(reference.low), np.exp(reference.high)))
    assert found.value == pytest.approx(stats.gmean(a) / stats.gmean(b))
    assert found.n == 12


@given(times, st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_swapping_inverts_it_and_units_do_not_matter(a: list[float], scale: float, seed: int) -> None:
    b = np.random.default_rng(seed).lognormal(0, 1, len(a))
    there, back = paired_ratio(a, b), paired_ratio(b, a)
    assert there.value * back.value == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)
    assert paired_ratio(np.asarray(a) * scale, b * scale).value == pytest.approx(there.value)


def test_drift_cancels_within_rounds_and_does_not_in_blocks() -> None:
    """The machine slows down by half while it measures; the true ratio is .72."""
    rng = np.random.default_rng(1)
    slow = np.linspace(1.0, 1.5, 40) * rng.lognormal(0, 0.01, 40)
    clock = slow.reshape(20, 2)
    for number in range(20):
        clock[number] = clock[number, [turned("ab", number).index(name) for name in "ab"]]
    rounds = paired_ratio(0.72 * clock[:, 0], clock[:, 1])
    assert rounds.low < 0.72 < rounds.high
    blocks = paired_ratio(0.72 * np.sort(slow)[:20], np.sort(slow)[20:])  # the planted fault: one after the other
    assert blocks.high < 0.72


def test_a_drift_that_is_steep_shows_where_the_same_one_always_goes_first() -> None:
    """Each call is a tenth slower than the one before: in turns the ratio is right, in one order it is not."""
    clock = (1.1 ** np.arange(8)).reshape(4, 2)
    fair = [clock[number, [turned("ab", number).index(name) for name in "ab"]] for number in range(4)]
    assert paired_ratio(*np.array(fair).T).value == pytest.approx(1)
    assert paired_ratio(clock[:, 0], clock[:, 1]).high < 0.95


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        clock = rng.lognormal(0, 0.2, 6)
        found = paired_ratio(0.7 * clock * rng.lognormal(0, 0.05, 6), clock * rng.lognormal(0, 0.05, 6))
        hits += found.low < 0.7 < found.high
    assert 0.935 < hits / 2000 < 0.965


def test_too_few_rounds_give_no_interval() -> None:
    assert paired_ratio([1.0, 2.0], [1.0, 1.0]).low is None
    assert paired_ratio([], []).value is None
    assert median_band([]).value is None


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [-1.0])])
def test_what_is_no_time_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError):
        paired_ratio(a, b)


def test_a_band_is_made_of_percentiles() -> None:
    band = median_band(np.arange(1, 102))
    assert (band.low, band.value, band.high, band.n) == (11, 51, 91, 101)
