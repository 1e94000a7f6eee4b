"""Shares and the tests of independent votes, against statsmodels, scipy, exact enumeration and published figures."""

from itertools import product
from math import sqrt

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint

from evalkit.stats.proportion import goodman, naive_preference, sign_test, sison_glaz, trinomial_test, wilson

AESTHETICS = (39, 29, 25, 2)
counts = st.integers(0, 60)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998
        (39, 68, 0.45517, 0.68403),
        (39, 95, 0.31696, 0.51105),
        (29, 95, 0.22173, 0.40393),
        (25, 95, 0.18507, 0.35966),
        (2, 95, 0.00579, 0.07354),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    share = wilson(successes, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5 if n == 263 else 5e-6)
    assert share.value == successes / n and share.n == n


@given(n=st.integers(1, 200), data=st.data())
def test_wilson_is_that_of_statsmodels(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    share = wilson(k, n)
    assert (share.low, share.high) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)


def test_no_votes_are_no_share() -> None:
    share = wilson(0, 0)
    assert share.value is None and share.low is None and share.note == "no votes"


def test_more_successes_than_votes_are_refused() -> None:
    with pytest.raises(ValueError, match="5 successes do not fit 4 votes"):
        wilson(5, 4)


def test_goodman_is_that_of_statsmodels() -> None:
    bounds = multinomial_proportions_confint(AESTHETICS, method="goodman")
    ours = [(cell.low, cell.high) for cell in goodman(AESTHETICS)]
    # statsmodels takes a chi-square of one degree at alpha/k, as Goodman 1965 does
    np.testing.assert_allclose(ours, bounds, atol=1e-9)


def test_simultaneous_intervals_are_wider_than_those_of_one_share() -> None:
    for cell, count in zip(goodman(AESTHETICS), AESTHETICS, strict=True):
        one = wilson(count, 95)
        assert cell.low < one.low and cell.high > one.high


def test_sison_glaz_reaches_its_level_by_exact_enumeration() -> None:
    table, n = (9, 7, 4), 20
    shares = np.array(table) / n
    half = round((shares[0] - (sison_glaz(table)[0].low or 0)) * n)

    def inside(distance: int) -> float:
        cells = [range(max(0, k - distance), k + distance + 1) for k in table]
        return sum(stats.multinomial.pmf(x, n, shares) for x in product(*cells) if sum(x) == n)

    assert inside(half) < 0.95 + 0.01 and inside(half + 1) > 0.95 - 0.01


def test_sison_glaz_without_a_second_cell_has_no_interval() -> None:
    assert [cell.low for cell in sison_glaz((5, 0))] == [None, None]
    assert sison_glaz((0, 0))[0].value is None


def test_sign_test_of_the_published_table() -> None:
    assert sign_test(39, 29).p == pytest.approx(0.27499, abs=5e-6)
    assert sign_test(39, 29, mid_p=True).p == pytest.approx(0.22840, abs=5e-6)


@given(wins=counts, losses=counts)
def test_sign_test_is_that_of_scipy_and_symmetric(wins: int, losses: int) -> None:
    p = sign_test(wins, losses).p
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert p == pytest.approx(expected, rel=1e-9) and p == sign_test(losses, wins).p
    assert sign_test(wins, losses, mid_p=True).p <= p


def test_trinomial_test_of_the_published_table() -> None:
    assert trinomial_test(39, 29, 25).p == pytest.approx(0.24960, abs=5e-6)


@pytest.mark.parametrize("table", [(9, 4, 6), (39, 29, 25), (3, 0, 1)])
def test_trinomial_test_is_the_sum_of_the_paper(table: tuple[int, int, int]) -> None:
    wins, losses, ties = table
    n = sum(table)
    tie, side = mpmath.mpf(ties) / n, (1 - mpmath.mpf(ties) / n) / 2
    p = mpmath.mpf(0)
    for difference in range(abs(wins - losses), n + 1):
        for k in range((n - difference) // 2 + 1):
            kept = n - difference - 2 * k
            ways = mpmath.factorial(n) / mpmath.factorial(difference + k) / mpmath.factorial(k) / mpmath.factorial(kept)
            p += ways * side ** (difference + 2 * k) * tie**kept
    assert trinomial_test(*table).p == pytest.approx(float(2 * p), rel=1e-9)


@given(wins=counts, losses=counts, ties=counts)
def test_trinomial_test_keeps_its_p_when_systems_swap(wins: int, losses: int, ties: int) -> None:
    assert trinomial_test(wins, losses, ties).p == trinomial_test(losses, wins, ties).p


def test_ties_only_are_no_evidence_and_no_votes_no_answer() -> None:
    assert trinomial_test(0, 0, 7).p == 1.0 and sign_test(0, 0).p == 1.0
    assert trinomial_test(0, 0, 0).p is None


def test_naive_preference_of_the_published_table() -> None:
    preference = naive_preference(39, 29, 95)
    assert preference.value == pytest.approx(0.10526, abs=5e-6)
    assert (preference.high - preference.value) / stats.norm.isf(0.025) == pytest.approx(0.08613, abs=5e-6)


@given(wins=counts, losses=counts, others=counts)
def test_naive_preference_mirrors_and_shrinks_by_root_two_when_doubled(wins: int, losses: int, others: int) -> None:
    n = wins + losses + others
    one, mirror = naive_preference(wins, losses, n), naive_preference(losses, wins, n)
    two = naive_preference(2 * wins, 2 * losses, 2 * n)
    if one.low is None or one.low == -1 or one.high == 1:
        return
    assert (mirror.low, mirror.high) == pytest.approx((-one.high, -one.low))
    if two.low > -1 and two.high < 1:
        assert (one.high - one.low) / (two.high - two.low) == pytest.approx(sqrt(2))
