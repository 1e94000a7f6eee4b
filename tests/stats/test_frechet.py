"""Frechet distances, against the closed form, mpmath and scipy's matrix root; their bias and their interval."""

import tracemalloc
from math import sqrt
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from evalkit.stats.frechet import frechet_distance, frechet_distance_from_features, moments
from evalkit.stats.frechet_interval import (
    frechet_difference,
    frechet_jackknife,
    project_to_reference_axes,
    prompt_groups,
)

seeds = st.integers(0, 10_000)


def features(seed: int, n: int, d: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * scale / sqrt(d) + shift


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    one, two = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    return float(gap @ gap + np.trace(one + two - 2 * linalg.sqrtm(one @ two).real))


@given(a=st.floats(0.1, 9), b=st.floats(0.1, 9), gap=st.floats(-5, 5))
def test_one_dimension_is_the_closed_form(a: float, b: float, gap: float) -> None:
    assert frechet_distance([0.0], [[a]], [gap], [[b]]) == pytest.approx(gap**2 + (sqrt(a) - sqrt(b)) ** 2, abs=1e-12)


def test_a_small_case_to_thirty_digits() -> None:
    one, two = [[2.0, 0.3], [0.3, 1.0]], [[1.5, -0.4], [-0.4, 0.7]]
    with mpmath.workdps(30):
        root = mpmath.sqrtm(mpmath.matrix(one) * mpmath.matrix(two))
        expected = mpmath.mpf("0.25") + mpmath.mpf("5.2") - 2 * (root[0, 0] + root[1, 1])
    assert frechet_distance([0, 0], one, [0.3, 0.4], two) == pytest.approx(float(expected), rel=1e-13)


@settings(max_examples=20)
@given(seed=seeds)
def test_full_rank_is_the_matrix_root_of_scipy(seed: int) -> None:
    x, y = features(seed, 80, 12), features(seed + 1, 60, 12, 1.3, 0.2)
    assert frechet_distance_from_features(x, y) == pytest.approx(by_matrix_root(x, y), rel=1e-9)


@settings(max_examples=20)
@given(seed=seeds, n=st.integers(2, 12), m=st.integers(2, 40))
def test_fewer_rows_than_dimensions_agree_by_two_roads(seed: int, n: int, m: int) -> None:
    x, y = features(seed, n, 12), features(seed + 1, m, 12, 1.3, 0.2)
    one, two = moments([x]), moments([y])
    by_covariance = frechet_distance(one.mean, one.covariance, two.mean, two.covariance)
    assert frechet_distance_from_features(x, y) == pytest.approx(by_covariance, rel=1e-6)


def test_a_covariance_without_full_rank_is_not_silently_wrong() -> None:
    x, y = features(0, 400, 30), features(1, 400, 30)
    x[:, 7], y[:, 11] = 0.0, y[:, 3]
    one, two = moments([x]), moments([y])
    exact = by_matrix_root(x + np.random.default_rng(2).normal(0, 1e-7, x.shape), y)
    for pair in ((one, two), (two, one)):
        value = frechet_distance(pair[0].mean, pair[0].covariance, pair[1].mean, pair[1].covariance)
        assert value == pytest.approx(exact, rel=1e-5)


@settings(max_examples=20)
@given(seed=seeds)
def test_it_is_a_distance(seed: int) -> None:
    x, y = features(seed, 50, 8), features(seed + 1, 70, 8, 1.2)
    turn = linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))[0]
    value = frechet_distance_from_features(x, y)
    assert value == pytest.approx(frechet_distance_from_features(y, x))
    assert value == pytest.approx(frechet_distance_from_features(x @ turn + 3, y @ turn + 3), rel=1e-9)
    assert frechet_distance_from_features(x, x) == pytest.approx(0, abs=1e-8)
    assert frechet_distance_from_features(x, x + 0.5) == pytest.approx(8 * 0.25, rel=1e-8)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 90), max_size=6))
def test_moments_of_batches_are_those_of_numpy_even_far_from_zero(cuts: list[int]) -> None:
    rows = features(3, 90, 5) + 1e6
    ours = moments(np.split(rows, sorted(cuts)))
    assert ours.n == 90 and ours.mean == pytest.approx(rows.mean(axis=0), rel=1e-14)
    np.testing.assert_allclose(ours.covariance, np.cov(rows - 1e6, rowvar=False), atol=1e-8)


def test_float32_features_are_summed_in_float64() -> None:
    rows = (features(0, 500, 6) + 300).astype(np.float32)
    np.testing.assert_allclose(
        moments([rows[:200], rows[200:]]).covariance, np.cov(rows.astype(float), rowvar=False), rtol=1e-9
    )


def test_too_few_or_unfitting_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        frechet_distance_from_features(np.ones((1, 3)), np.ones((9, 3)))
    with pytest.raises(ValueError, match="two or more"):
        moments([np.ones((1, 3))])
    with pytest.raises(ValueError, match="dimensions"):
        frechet_distance_from_features(np.ones((5, 3)), np.ones((9, 4)))
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance_from_features(np.full((5, 3), np.nan), np.ones((9, 3)))


def test_the_bias_is_that_of_theory_and_the_jackknife_takes_it_off() -> None:
    d, n, groups = 8, 80, np.arange(80) % 10
    plain, corrected, low, high = [], [], [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        fit = frechet_jackknife(rng.standard_normal((n, d)), rng.standard_normal((n, d)), groups, groups)
        plain.append(fit.plain.value)
        corrected.append(fit.corrected.value)
        low.append(fit.corrected.low)
        high.append(fit.corrected.high)
    one_sample = d / n + d * (d + 1) / (4 * (n - 1))  # against the exact reference
    assert np.mean(plain) == pytest.approx(2 * one_sample, rel=0.1)
    assert abs(np.mean(corrected)) < 0.1 * np.mean(plain)
    assert np.mean((np.array(low) <= 0) & (np.array(high) >= 0)) > 0.92


def test_leaving_a_group_out_is_the_distance_without_its_rows() -> None:
    x, y, groups = features(0, 60, 6), features(1, 60, 6, 1.2), np.arange(60) % 12
    without = [frechet_distance_from_features(x[groups != g], y[groups != g]) for g in range(12)]
    whole = frechet_distance_from_features(x, y)
    expected = 12 * whole - 11 * np.mean(without)
    error = sqrt(11 / 12 * np.sum((np.array(without) - np.mean(without)) ** 2))
    fit = frechet_jackknife(x, y, groups, groups)
    assert fit.plain.value == pytest.approx(whole) and fit.plain.low is None and "no valid interval" in fit.plain.note
    assert fit.corrected.value == pytest.approx(expected)
    assert (fit.corrected.high - fit.corrected.low) / 2 == pytest.approx(2.200985 * error, rel=1e-6)


def test_fewer_rows_than_twice_the_dimensions_have_no_corrected_value() -> None:
    x, groups = features(0, 30, 20), np.arange(30) % 10
    fit = frechet_jackknife(x, x, groups, groups)
    assert fit.corrected.value is None and "twice as many" in fit.corrected.note and fit.plain.value is not None
    assert frechet_difference(x, x, x, groups, groups).value is None
    wide = features(0, 60, 5)
    assert "8 or more" in frechet_jackknife(wide, wide, np.arange(60) % 4, np.arange(60) % 4).corrected.note


def test_a_difference_of_two_systems_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    shared, groups = rng.standard_normal((400, 6)), np.arange(400) % 20
    x, y = shared + 0.1 * rng.standard_normal((400, 6)), shared * 1.1 + 0.1 * rng.standard_normal((400, 6))
    reference = rng.standard_normal((400, 6))
    difference = frechet_difference(x, y, reference, groups, groups)
    alone = [frechet_jackknife(rows, reference, groups, groups).corrected for rows in (x, y)]
    assert difference.value == pytest.approx(alone[0].value - alone[1].value)
    assert difference.high - difference.low < sum(one.high - one.low for one in alone)
    fewer = frechet_difference(x, y[groups != 3], reference, groups, groups, y_groups=groups[groups != 3])
    assert fewer.value is not None and fewer.value != difference.value


def test_a_plain_bootstrap_of_the_distance_excludes_the_truth() -> None:
    """Why there is none here: equal sets, and its 95 % interval lies far above zero."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 300, 64))
    drawn = [
        frechet_distance_from_features(x[rng.integers(0, 300, 300)], y[rng.integers(0, 300, 300)]) for _ in range(40)
    ]
    assert min(drawn) > frechet_distance_from_features(x, y) > 5
    fit = frechet_jackknife(x, y, np.arange(300) % 20, np.arange(300) % 20).corrected
    assert fit.low < 0 < fit.high


def test_the_leading_axes_of_the_reference_are_its_principal_components() -> None:
    reference = features(0, 200, 10) * np.linspace(3, 0.1, 10)
    x, base = project_to_reference_axes(features(1, 50, 10), reference, axes=3)
    values = np.sort(np.linalg.eigvalsh(np.cov(reference, rowvar=False)))[::-1][:3]
    np.testing.assert_allclose(np.cov(base, rowvar=False), np.diag(values), atol=1e-9)
    assert x.shape == (50, 3)


def test_prompts_stay_whole_and_groups_even() -> None:
    prompts = np.repeat(np.arange(43), 3)
    groups = prompt_groups(prompts, 10, np.random.default_rng(0))
    assert all(np.unique(groups[prompts == p]).size == 1 for p in range(43))
    sizes = np.bincount(groups)
    assert sizes.size == 10 and sizes.max() - sizes.min() <= 3


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A memory map of 160,000 rows (41 MB as stored, 82 MB as float64) is summed in little more than one block."""
    stored = np.lib.format.open_memmap(tmp_path / "rows.npy", mode="w+", dtype=np.float32, shape=(160_000, 64))
    for start in range(0, len(stored), 10_000):
        stored[start : start + 10_000] = np.random.default_rng(start).standard_normal((10_000, 64))

    def peak(rows: np.ndarray) -> int:
        tracemalloc.start()
        frechet_distance_from_features(rows, rows[:1000])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(stored[:10_000]), peak(stored)
    assert many < 1.2 * few and many < 12e6
    assert peak(np.asarray(stored, dtype=np.float64)) < 12e6  # no second copy of what is there


@pytest.mark.parametrize("broken", ["NaN", "infinite", "asymmetric", "unfitting"])
def test_broken_statistics_are_refused(broken: str) -> None:
    mean, sigma = np.zeros(3), np.eye(3)
    if broken == "asymmetric":
        sigma[0, 1] = 0.5
    elif broken == "unfitting":
        sigma = np.eye(4)
    else:
        sigma[1, 1] = np.nan if broken == "NaN" else np.inf
    with pytest.raises(ValueError, match=r"NaN or infinite|not symmetric|do not fit"):
        frechet_distance(mean, sigma, np.zeros(3), np.eye(3))


@settings(max_examples=30)
@given(seed=seeds, rank=st.integers(0, 6), other=st.integers(0, 6), scale=st.floats(1e-6, 1e6))
def test_it_is_a_number_and_not_below_zero_whatever_the_rank(seed: int, rank: int, other: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    halves = [rng.standard_normal((6, r)) * scale for r in (rank, other)]
    sigmas = [half @ half.T for half in halves]
    value = frechet_distance(np.zeros(6), sigmas[0], np.zeros(6), sigmas[1])
    assert np.isfinite(value) and value >= 0
    exact = sum(np.trace(s) for s in sigmas) - 2 * np.linalg.svd(halves[0].T @ halves[1], compute_uv=False).sum()
    assert value == pytest.approx(exact, abs=1e-6 * sum(np.trace(s) for s in sigmas) + 1e-12)


@pytest.mark.parametrize("n", [5, 15])
def test_few_rows_to_thirty_digits(n: int) -> None:
    """Rank-deficient covariances: the trace of the root by mpmath, from the eigenvalues of the small Gram matrix."""
    d = 16
    x, y = features(5, n, d), features(6, 3 * d, d, 1.2, 0.1)
    with mpmath.workdps(30):
        one, two = (_exact_covariance_root(rows) for rows in (x, y))
        inner = one.T * (two * two.T) * one
        root = sum(mpmath.sqrt(abs(value)) for value in mpmath.eigsy(inner, eigvals_only=True))
        gap = [
            mpmath.fsum(map(mpmath.mpf, x[:, j])) / n - mpmath.fsum(map(mpmath.mpf, y[:, j])) / len(y) for j in range(d)
        ]
        traces = sum(mpmath.fsum(value**2 for value in part) for part in (one, two))
        expected = float(mpmath.fsum(value**2 for value in gap) + traces - 2 * root)
    assert frechet_distance_from_features(x, y) == pytest.approx(expected, rel=1e-6)
    one, two = moments([x]), moments([y])
    for a, b in ((one, two), (two, one)):
        assert frechet_distance(a.mean, a.covariance, b.mean, b.covariance) == pytest.approx(expected, rel=1e-6)


def _exact_covariance_root(rows: np.ndarray) -> mpmath.matrix:
    """R with R R' = covariance, shape (dimensions, rows)."""
    n, d = rows.shape
    found = mpmath.matrix(d, n)
    for j in range(d):
        column = list(map(mpmath.mpf, rows[:, j]))
        mean = mpmath.fsum(column) / n
        for i in range(n):
            found[j, i] = (column[i] - mean) / mpmath.sqrt(n - 1)
    return found
