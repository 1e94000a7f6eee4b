"""The slope along a sheet, against statsmodels' ordinary least squares with a sandwich error."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.trend import clustered_slope

SEEDS = st.integers(0, 2**32 - 1)


def data(seed: int, n: int = 200) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 30, n)
    return (rng.random(n) < 0.2 + 0.01 * x).astype(float), x, rng.integers(0, 20, n), rng.integers(0, 9, n)


@given(SEEDS)
def test_each_vote_its_own_cluster_is_the_sandwich_of_statsmodels(seed: int) -> None:
    y, x, _, _ = data(seed)
    found = clustered_slope(y, x, np.arange(y.size), None)
    fit = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC0")
    assert found.slope.value == pytest.approx(fit.params[1])
    factor = (y.size / (y.size - 1)) ** 0.5
    assert found.slope.value / found.test.statistic == pytest.approx(fit.bse[1] * factor)


@given(SEEDS)
def test_one_way_clusters_are_those_of_statsmodels(seed: int) -> None:
    y, x, prompts, _ = data(seed)
    found = clustered_slope(y, x, prompts, None)
    groups = np.unique(prompts).size
    fit = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": prompts, "use_correction": False})
    assert found.slope.value / found.test.statistic == pytest.approx(fit.bse[1] * (groups / (groups - 1)) ** 0.5)
    assert found.test.degrees_of_freedom == groups - 1


@given(SEEDS)
def test_turning_the_sheet_round_turns_the_slope(seed: int) -> None:
    y, x, prompts, raters = data(seed)
    there, back = clustered_slope(y, x, prompts, raters), clustered_slope(y, -x, prompts, raters)
    assert there.slope.value == pytest.approx(-back.slope.value) and there.test.p == pytest.approx(back.test.p)


def test_what_has_no_slope_says_so() -> None:
    y, x, prompts, raters = data(1)
    assert "one place" in str(clustered_slope(y, np.ones_like(x), prompts, raters).slope.note)
    few = clustered_slope(y, x, prompts % 5, raters)
    assert few.slope.value is not None and few.test.p is None
    with pytest.raises(ValueError, match="one of each"):
        clustered_slope(y, x[1:], prompts, raters)
