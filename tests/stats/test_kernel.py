"""Kernel distances, against the double sum of the definition, an explicit jackknife and the null."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats import kernel as kernel_module
from evalkit.stats.kernel import gaussian_kernel, kid, polynomial_kernel, squared_mmd, squared_mmd_difference

seeds = st.integers(0, 10_000)


def double_sum(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / a.size + 1) ** 3

    own_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    own_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return float(own_x + own_y - 2 * np.mean([k(a, b) for a in x for b in y]))


@settings(max_examples=10)
@given(seed=seeds)
def test_kid_is_the_double_sum_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 5)), rng.normal(0.4, 1, (15, 5))
    assert kid(x, y, np.arange(12), np.arange(15)).value == pytest.approx(double_sum(x, y))


@pytest.mark.parametrize("shared", [True, False])
def test_interval_is_an_explicit_jackknife_over_prompts(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_module, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(kernel_module, "FEWEST_PROMPTS", 8)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 4)), rng.normal(0.3, 1, (20, 4))
    prompts_x, prompts_y = np.arange(30) // 3, np.arange(20) // 2 + (0 if shared else 10)
    labels = np.unique(np.concatenate([prompts_x, prompts_y]))
    without = [double_sum(x[prompts_x != label], y[prompts_y != label]) for label in labels]
    error = sqrt((labels.size - 1) * np.var(without))
    estimate = kid(x, y, prompts_x, prompts_y)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(stats.t.isf(0.025, 9) * error)
    assert estimate.prompts == 10 and estimate.n == 30


def test_it_is_unbiased_where_the_usual_v_statistic_is_not() -> None:
    rng = np.random.default_rng(2)
    values, biased = [], []
    for _ in range(300):
        x, y = rng.normal(size=(2, 20, 6))
        values.append(kid(x, y, np.arange(20), np.arange(20, 40)).value)
        k = polynomial_kernel
        biased.append(k(x, x).mean() + k(y, y).mean() - 2 * k(x, y).mean())
    assert abs(np.mean(values)) < 4 * np.std(values) / sqrt(300)
    assert np.mean(biased) > 10 * np.std(values) / sqrt(300)


def test_interval_covers_the_distance_of_two_populations() -> None:
    # exponential coordinates with means 1 and 1.2: the moments of a sum of d products, in closed form
    def mean_kernel(factor: float, d: int = 16) -> float:
        first, second, third = factor / d, 4 * (factor / d) ** 2, 36 * (factor / d) ** 3
        squares = d * second + d * (d - 1) * first**2
        cubes = d * third + 3 * d * (d - 1) * second * first + d * (d - 1) * (d - 2) * first**3
        return 1 + 3 * d * first + 3 * squares + cubes

    rng, hits, truth = np.random.default_rng(3), 0, mean_kernel(1) + mean_kernel(1.44) - 2 * mean_kernel(1.2)
    for _ in range(200):
        x, y = rng.standard_exponential((60, 16)), 1.2 * rng.standard_exponential((60, 16))
        estimate = kid(x, y, np.arange(60), np.arange(60, 120))
        hits += estimate.low <= truth <= estimate.high
    assert hits / 200 > 0.90


def test_gaussian_kernel_is_the_formula() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3))
    squares = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(gaussian_kernel(10.0)(x, y), np.exp(-squares / 200), rtol=1e-12)


@settings(max_examples=10)
@given(seed=seeds)
def test_swapping_the_sets_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, prompts = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)), np.arange(60)
    one = squared_mmd(x, y, prompts, prompts, gaussian_kernel(2.0), name="CMMD", scale=1000)
    other = squared_mmd(y, x, prompts, prompts, gaussian_kernel(2.0), name="CMMD", scale=1000)
    assert (one.value, one.low) == pytest.approx((other.value, other.low)) and one.low < one.value


def test_a_difference_is_that_of_two_distances_and_deletes_a_prompt_from_all_three() -> None:
    rng, prompts = np.random.default_rng(5), np.arange(60)
    x, y, reference = rng.normal(0.3, 1, (60, 4)), rng.normal(0.1, 1, (60, 4)), rng.normal(size=(60, 4))
    sets = (x, y, reference, prompts, prompts, prompts)
    difference = squared_mmd_difference(*sets, polynomial_kernel, name="KID")
    assert difference.value == pytest.approx(
        kid(x, reference, prompts, prompts).value - kid(y, reference, prompts, prompts).value
    )
    without = [
        kid(x[keep], reference[keep], prompts[keep], prompts[keep]).value
        - kid(y[keep], reference[keep], prompts[keep], prompts[keep]).value
        for keep in (prompts != p for p in prompts)
    ]
    half = stats.t.isf(0.025, 59) * sqrt(59 * np.var(without))
    assert (difference.high - difference.low) / 2 == pytest.approx(half)


def test_too_little_is_no_answer() -> None:
    one = kid(np.ones((1, 3)), np.ones((9, 3)), [0], np.arange(9))
    assert one.value is None and "two or more" in one.note
    few = kid(np.eye(5), np.eye(5), np.arange(5), np.arange(5))
    assert few.value is not None and few.low is None and "20 prompts" in few.note
    with pytest.raises(ValueError, match="NaN"):
        kid(np.full((4, 3), np.nan), np.ones((9, 3)), np.arange(4), np.arange(9))
