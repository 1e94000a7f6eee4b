"""FD(N) and its end, against the law of the bias and known populations."""

import numpy as np
import pytest

from evalkit.stats.frechet import Moments, frechet_distance_from_features, frechet_distance_to, moments
from evalkit.stats.frechet_curve import POINTS, frechet_curve


def population(d: int, shift: float = 0.0) -> Moments:
    return Moments(np.full(d, shift), np.eye(d), 10**9)


def test_the_curve_follows_the_law_of_the_bias_and_its_end_is_the_truth() -> None:
    d, n, shift, ends, curves = 16, 1000, 0.25, [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        curve = frechet_curve(rng.standard_normal((n, d)), population(d, shift), rng=rng)
        ends.append(curve.infinity.value)
        curves.append(curve.values)
    truth, law = d * shift**2, d / curve.sizes + d * (d + 1) / (4 * (curve.sizes - 1))
    assert np.mean(curves, axis=0) == pytest.approx(truth + law, rel=0.03)
    error = np.std(ends, ddof=1) / np.sqrt(len(ends))
    assert abs(np.mean(ends) - truth) < 3 * error
    # The planted fault: the plain value, taken for the truth, is caught by the same check.
    assert abs(np.mean([values[-1] for values in curves]) - truth) > 3 * error


def test_the_last_point_is_the_plain_distance_and_the_line_passes_the_points() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 8)), rng.standard_normal((400, 8)) + 0.3
    curve = frechet_curve(x, moments([y]), rng=np.random.default_rng(1))
    assert curve.sizes[-1] == 300 and curve.sizes[0] == 60 and len(curve.sizes) == POINTS
    assert curve.values[-1] == pytest.approx(frechet_distance_from_features(x, y), rel=1e-12)
    line = np.polyfit(1 / curve.sizes, curve.values, 1)
    assert (curve.slope, curve.infinity.value) == pytest.approx(tuple(line))
    assert curve.fitted(300) == pytest.approx(np.polyval(line, 1 / 300))
    assert curve.infinity.low is None and "no valid interval" in curve.infinity.note


def test_the_seed_decides_and_whole_prompts_are_drawn() -> None:
    x = np.random.default_rng(0).standard_normal((120, 4))
    one, again, other = (frechet_curve(x, population(4), rng=np.random.default_rng(s)) for s in (5, 5, 6))
    assert (one.values == again.values).all() and (one.values != other.values).any()
    prompts = np.repeat(np.arange(40), 3)
    curve = frechet_curve(x, population(4), rng=np.random.default_rng(0), prompts=prompts)
    assert (curve.sizes % 3 == 0).all() and curve.sizes[-1] == 120


def test_few_rows_have_a_curve_but_no_end() -> None:
    """FD(N) is not straight below N = d: a line would end far above the truth."""
    x = np.random.default_rng(0).standard_normal((40, 60))
    curve = frechet_curve(x, population(60), rng=np.random.default_rng(0))
    assert curve.infinity.value is None and "twice as many rows" in curve.infinity.note
    assert curve.fitted(10) is None and np.isfinite(curve.values).all()
    assert np.polyfit(1 / curve.sizes, curve.values, 1)[1] > 5  # the truth is 0
    with pytest.raises(ValueError, match="two or more"):
        frechet_curve(x[:1], population(60), rng=np.random.default_rng(0))


@pytest.mark.parametrize(("n", "m"), [(5, 12), (5, 100), (100, 5), (100, 100), (20, 21)])
def test_a_distance_to_moments_is_the_distance_to_the_rows(n: int, m: int) -> None:
    rng = np.random.default_rng(n * m)
    x, y = rng.standard_normal((n, 20)), rng.standard_normal((m, 20)) * 1.3 + 0.1
    expected = frechet_distance_from_features(x, y)
    assert frechet_distance_to(x, moments([y])) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance_from_features(y, x) == pytest.approx(expected, rel=1e-6)
