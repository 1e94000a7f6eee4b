"""The doctor of published tables: the first case, brute force, and tables made from known counts."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.proportion import sign_test
from evalkit.stats.table import check_column

AESTHETICS = (41.1, 30.5, 26.3, 2.1)
ALIGNMENT = (20.8, 18.8, 39.1, 11.4)


def test_aesthetics_fits_95_first_and_its_p_hangs_on_the_size() -> None:
    column = check_column(AESTHETICS)
    assert column.adds_up and column.sizes[:4] == (95, 190, 236, 285)
    assert column.fits[0].counts == (39, 29, 25, 2) and column.fits[0].unaccounted == 0
    assert [round(fit.p, 3) for fit in column.fits[:4]] == [0.275, 0.103, 0.065, 0.042]
    assert column.repairs == ()


def test_alignment_does_not_add_up_and_fits_no_size_below_202() -> None:
    column = check_column(ALIGNMENT)
    assert not column.adds_up and column.total == pytest.approx(90.1)
    assert column.sizes[0] == 202
    assert column.fits[0].counts == (42, 38, 79, 23) and column.fits[0].unaccounted == 20


def test_alignment_with_one_cell_repaired_needs_149() -> None:
    repairs = check_column(ALIGNMENT).repairs
    assert min(repair.fit.n for repair in repairs) == 149
    for repair in repairs:
        others = [100 * k / repair.fit.n for i, k in enumerate(repair.fit.counts) if i != repair.cell]
        assert others == pytest.approx([x for i, x in enumerate(ALIGNMENT) if i != repair.cell], abs=0.0501)
        assert sum(repair.fit.counts) == repair.fit.n


def test_every_size_to_120_by_brute_force() -> None:
    def fits(n: int) -> bool:
        cells = [[k for k in range(n + 1) if abs(100 * k / n - share) <= 0.05 + 1e-9] for share in AESTHETICS]
        return any(sum(counts) == n for counts in product(*cells))

    assert check_column(AESTHETICS, bound=120).sizes == tuple(n for n in range(1, 121) if fits(n))


@settings(max_examples=40)
@given(counts=st.lists(st.integers(0, 60), min_size=2, max_size=5), decimals=st.integers(0, 1))
def test_a_true_table_always_fits_its_own_counts(counts: list[int], decimals: int) -> None:
    n = sum(counts)
    if n == 0:
        return
    column = check_column([round(100 * k / n, decimals) for k in counts], decimals=decimals, bound=n)
    own = next(fit for fit in column.fits if fit.n == n)
    assert column.adds_up and sum(own.counts) == n
    p = sign_test(counts[0], counts[1]).p
    assert own.p_low - 1e-12 <= p <= own.p_high + 1e-12
    if own.only:
        assert own.counts == tuple(counts) and own.p == p


@settings(max_examples=40)
@given(counts=st.lists(st.integers(0, 40), min_size=2, max_size=4), exact=st.booleans())
def test_the_ends_of_p_are_those_of_every_way_to_fill_the_column(counts: list[int], exact: bool) -> None:
    n = sum(counts) + (0 if exact else 25)
    if n == 0:
        return
    shares = [float(round(100 * k / n)) for k in counts]
    column = check_column(shares, decimals=0, bound=n)
    cells = [[k for k in range(n + 1) if abs(100 * k / n - share) <= 0.5 + 1e-9] for share in shares]
    ways = [way for way in product(*cells) if (sum(way) == n if column.adds_up else sum(way) <= n)]
    fit = next(fit for fit in column.fits if fit.n == n)
    p = [sign_test(way[0], way[1]).p for way in ways]
    assert fit.counts in ways and fit.only == (len(ways) == 1)
    assert (fit.p_low, fit.p_high) == pytest.approx((min(p), max(p)), abs=1e-12)


@settings(max_examples=20)
@given(counts=st.lists(st.integers(5, 60), min_size=3, max_size=4), shift=st.sampled_from([5.0, -4.0]))
def test_a_planted_misprint_is_found_and_its_repair_is_among_the_repairs(counts: list[int], shift: float) -> None:
    n = sum(counts)
    column = [round(100 * k / n, 1) for k in counts]
    column[0] = round(column[0] + shift, 1) if column[0] + shift > 0 else column[0] + 5
    check = check_column(column, bound=n)
    assert not check.adds_up and any(repair.cell == 0 for repair in check.repairs)


def test_a_column_over_100_has_no_size_at_all() -> None:
    column = check_column([60.0, 50.0])
    assert not column.adds_up and column.fits == ()


def test_a_single_cell_has_sizes_but_no_repair_and_no_test() -> None:
    column = check_column([57.0], decimals=0)
    assert column.sizes[0] == 7 and column.fits[0].unaccounted == 3
    assert column.repairs == () and column.fits[0].p is None


def test_what_is_no_percentage_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        check_column([120.0, 3.0])
    with pytest.raises(ValueError, match="one at least"):
        check_column([])
