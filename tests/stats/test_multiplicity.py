"""Adjusted p-values, against statsmodels and their order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalkit.stats.multiplicity import benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@settings(max_examples=30)
@given(p=p_values)
def test_both_are_those_of_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(p=p_values)
def test_holm_is_never_below_benjamini_hochberg_nor_below_p(p: list[float]) -> None:
    for raw, discovery, family in zip(p, benjamini_hochberg(p), holm(p), strict=True):
        assert raw - 1e-12 <= discovery <= family + 1e-12


def test_a_test_without_a_p_is_not_counted() -> None:
    assert holm([0.01, None, 0.02]) == (pytest.approx(0.02), None, pytest.approx(0.02))
    assert holm([None]) == (None,) and holm([]) == ()


def test_a_p_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.2, float("nan")])
