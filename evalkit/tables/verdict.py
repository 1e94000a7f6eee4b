"""What one published column allows: the sizes that fit, and what the votes would say at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evalkit.stats.estimate import Estimate, SignificanceTest
from evalkit.stats.power import smallest_detectable_share
from evalkit.stats.proportion import naive_preference, sign_test, trinomial_test, wilson
from evalkit.stats.table import ColumnCheck, Fit, check_column
from evalkit.tables.shares import ShareColumn

Basis = Literal["smallest n that fits", "printed n", "printed counts"]
MOST_FOR_TRINOMIAL = 5_000
LARGEST_CHECKED = 10_000


@dataclass(frozen=True)
class Duel:
    """Two systems, every vote taken as independent (naive): the first one's share of decisive votes, d, three tests.

    `detectable`: the smallest share that so many decisive votes see with power .80; None if they see none.
    """

    decisive: Estimate
    preference: Estimate
    sign: SignificanceTest
    mid_p: SignificanceTest
    trinomial: SignificanceTest
    detectable: float | None


@dataclass(frozen=True)
class Reconstruction:
    """Counts of every answer at `n` votes, with Wilson intervals; `duel` where there are exactly two systems."""

    basis: Basis
    n: int
    counts: tuple[int, ...]
    unaccounted: int
    shares: tuple[Estimate, ...]
    duel: Duel | None


@dataclass(frozen=True)
class ColumnVerdict:
    """`check` is None for counts; `reconstruction` is None where no size fits; `size_fits` where none is printed."""

    column: ShareColumn
    check: ColumnCheck | None
    size_fits: bool | None
    reconstruction: Reconstruction | None


def judge(column: ShareColumn, *, max_n: int) -> ColumnVerdict:
    """Everything that the column's numbers allow. `max_n`: the largest number of votes that is tried."""
    if column.unit == "count":
        counts = tuple(int(value) for value in column.values)
        total = sum(counts)
        fits = None if column.size is None else column.size >= total
        n = column.size if column.size is not None and fits else total
        return ColumnVerdict(column, None, fits, _reconstruction("printed counts", n, counts, column))
    bound = max(max_n, min(column.size or 0, LARGEST_CHECKED))
    check = check_column(column.values, decimals=column.decimals, bound=bound)
    printed = next((fit for fit in check.fits if fit.n == column.size), None)
    size_fits = None if column.size is None or column.size > bound else printed is not None
    fit = printed or next(iter(check.fits), None)
    if fit is None:
        return ColumnVerdict(column, check, size_fits, None)
    basis: Basis = "smallest n that fits" if printed is None else "printed n"
    return ColumnVerdict(column, check, size_fits, _reconstruction(basis, fit.n, fit.counts, column))


def smallest_common(verdicts: list[ColumnVerdict]) -> Fit | None:
    """The fit of the first column at the smallest n that fits every column of percentages; None if none does."""
    checks = [verdict.check for verdict in verdicts if verdict.check is not None]
    if not checks:
        return None
    common = set.intersection(*(set(check.sizes) for check in checks))
    return next((fit for fit in checks[0].fits if fit.n in common), None)


def _reconstruction(basis: Basis, n: int, counts: tuple[int, ...], column: ShareColumn) -> Reconstruction:
    shares = tuple(wilson(count, n) for count in counts)
    duel = _duel(n, counts, column) if column.systems == 2 else None
    return Reconstruction(basis, n, counts, n - sum(counts), shares, duel)


def _duel(n: int, counts: tuple[int, ...], column: ShareColumn) -> Duel:
    wins, losses = counts[:2]
    ties = sum(count for count, role in zip(counts, column.roles, strict=True) if role == "tie")
    decisive = wins + losses
    return Duel(
        decisive=wilson(wins, decisive),
        preference=naive_preference(wins, losses, n),
        sign=sign_test(wins, losses),
        mid_p=sign_test(wins, losses, mid_p=True),
        trinomial=_trinomial(wins, losses, ties),
        detectable=smallest_detectable_share(decisive) if decisive else None,
    )


def _trinomial(wins: int, losses: int, ties: int) -> SignificanceTest:
    n = wins + losses + ties
    if n > MOST_FOR_TRINOMIAL:
        return SignificanceTest(None, n, "trinomial test", note=f"not computed above {MOST_FOR_TRINOMIAL:,} votes")
    return trinomial_test(wins, losses, ties)
