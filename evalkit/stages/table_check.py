"""`evalkit table check`: which votes can stand behind a published table, and what it can and cannot claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

from evalkit.outcome import Outcome
from evalkit.sections import _format as text
from evalkit.stats.table import ColumnCheck, Fit
from evalkit.tables import TableError, read_grids
from evalkit.tables.shares import LeftOut, Reading, ShareColumn, share_columns
from evalkit.tables.source import STANDARD_INPUT, read_text
from evalkit.tables.verdict import ColumnVerdict, Duel, Reconstruction, judge, smallest_common

ALPHA = 0.05
SHOWN, MOST_COLUMNS, WIDTH = 4, 40, 110
NAIVE = (
    "Every interval and p above takes each vote as independent (naive). Votes on one prompt or by one rater are not: "
    "without the numbers of prompts and raters nothing here speaks of new prompts or new raters."
)


def table_check(source: str, *, reading: Reading | None = None, max_n: int = 2000) -> Outcome:
    """Reads the table in `source` (a file, or "-" for standard input) and judges every column of shares in it.

    Raises:
        TableError: no table, or no column of shares; SpecError: a row that `reading` names is not there.
    """
    where = "standard input" if source == STANDARD_INPUT else source
    reading = reading or Reading()
    tables = [share_columns(grid, reading) for grid in read_grids(read_text(source), where=where)]
    left_out = [column for table in tables for column in table if isinstance(column, LeftOut)]
    columns = [[column for column in table if isinstance(column, ShareColumn)] for table in tables]
    if not any(columns):
        reasons = "; ".join(f"{column.name}: {column.reason}" for column in left_out[:SHOWN])
        raise TableError("no column of shares of votes", where=where, hint=reasons)
    kept, left_out = _within_limit(columns, left_out)
    judged = [[judge(column, max_n=max_n) for column in table] for table in kept if table]
    facts = {"tables": [_table_facts(table) for table in judged], "left_out": [asdict(column) for column in left_out]}
    warnings = [f"{column.name}: left out, {column.reason}" for column in left_out]
    warnings += [f"{one.column.name}: {note}" for table in judged for one in table for note in one.column.notes]
    said = "\n".join([line for table in judged for line in _table_lines(table)] + [_wrapped(NAIVE)])
    return Outcome(said, facts={"source": where, "max_n": max_n, **facts}, warnings=tuple(warnings))


def _within_limit(
    tables: Sequence[list[ShareColumn]], left_out: Sequence[LeftOut]
) -> tuple[list[list[ShareColumn]], list[LeftOut]]:
    """The first MOST_COLUMNS columns; the others are left out."""
    kept: list[list[ShareColumn]] = []
    dropped = list(left_out)
    for table in tables:
        room = MOST_COLUMNS - sum(map(len, kept))
        kept.append(table[:room])
        dropped += [LeftOut(column.name, f"beyond {MOST_COLUMNS} columns") for column in table[room:]]
    return kept, dropped


def _table_facts(table: Sequence[ColumnVerdict]) -> dict[str, Any]:
    common = smallest_common(list(table)) if len(table) > 1 else None
    columns = [asdict(one) | {"claims": _claims(one)} for one in table]
    return {"columns": columns, "smallest_n_that_fits_every_column": common.n if common else None}


def _table_lines(table: Sequence[ColumnVerdict]) -> list[str]:
    lines = [line for one in table for line in [*_column_lines(one), ""]]
    checked = [one for one in table if one.check is not None]
    if len(checked) < 2:
        return lines
    common = smallest_common(checked)
    found = f"the smallest n that fits every column is {text.count(common.n)}" if common else "no n fits every column"
    return [*lines, f"If the same votes stand behind all columns: {found}.", ""]


def _column_lines(one: ColumnVerdict) -> list[str]:
    lines = [one.column.name]
    if one.check is not None:
        lines += [f"  total      {_total(one.check)}", f"  sizes      {_sizes(one.check)}"]
        lines += [f"  repaired   {_repairs(one.check, one.column)}"] if one.check.repairs else []
    if one.reconstruction is not None:
        lines += _reconstruction_lines(one.column, one.reconstruction)
    return [*lines, *(_wrapped(claim, "  - ") for claim in _claims(one))]


def _wrapped(sentence: str, bullet: str = "") -> str:
    return fill(sentence, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def _total(check: ColumnCheck) -> str:
    if check.adds_up:
        return f"{check.total:g} %: adds up within rounding"
    gap = 100 - check.total
    missing = f"{gap:.4g} % is not reported" if gap > 0 else "more than all: not shares of one set of votes"
    return f"adds up to {check.total:g} %: {missing}"


def _sizes(check: ColumnCheck) -> str:
    if not check.fits:
        return f"no n up to {text.count(check.bound)} fits"
    shown = ", ".join(map(text.count, check.sizes[:SHOWN]))
    more = len(check.sizes) - SHOWN
    rest = f" and {text.count(more)} more" if more > 0 else ""
    return f"n = {shown}{rest}, up to {text.count(check.bound)} (none below {text.count(check.sizes[0])})"


def _repairs(check: ColumnCheck, column: ShareColumn) -> str:
    best = min(check.repairs, key=lambda repair: repair.fit.n)
    counts = "/".join(map(text.count, best.fit.counts))
    return (
        f"with any one cell misprinted it fits n = {text.count(best.fit.n)} or more "
        f"({column.labels[best.cell]} repaired: {counts})"
    )


def _reconstruction_lines(column: ShareColumn, found: Reconstruction) -> list[str]:
    basis = {
        "smallest n that fits": f"reconstruction at the smallest n, {text.count(found.n)} (not the votes themselves)",
        "printed n": f"reconstruction at the printed n, {text.count(found.n)}",
        "printed counts": f"counts as printed, n = {text.count(found.n)}",
    }[found.basis]
    width = max(18 if found.unaccounted else 0, *map(len, column.labels))
    rows = [
        f"    {text.tame(label, 60):<{min(width, 60)}}  {count:>5,}  {text.share(share)}"
        for label, count, share in zip(column.labels, found.counts, found.shares, strict=True)
    ]
    rows += [f"    {'(unaccounted for)':<{min(width, 60)}}  {found.unaccounted:>5,}"] if found.unaccounted else []
    return [f"  {basis}", *rows, *(_duel_lines(found.duel) if found.duel else [])]


def _duel_lines(duel: Duel) -> list[str]:
    lines = [
        f"    decisive votes for the first: {text.share(duel.decisive, n=True)}",
        f"    net preference: {text.points(duel.preference)}",
        f"    sign test (naive): p {_is(duel.sign.p)}; mid-p {_p(duel.mid_p.p)}, trinomial {_p(duel.trinomial.p)}",
    ]
    if duel.detectable is not None:
        votes = text.plural(duel.decisive.n, "decisive vote")
        lines.append(f"    {votes} see a share of {text.percent(duel.detectable)} or more (power .80)")
    return lines


def _claims(one: ColumnVerdict) -> list[str]:
    """What the column can and cannot say, in sentences."""
    claims = [_size_claim(one)] if one.column.size is not None else []
    if one.check is not None and one.check.total > 100 and not one.check.adds_up:
        claims.append("Not one vote, one answer: shares of different wholes, or several answers to a vote.")
    if one.reconstruction is None:
        return [*claims, "No whole numbers of votes stand behind these percentages: no interval, no test."]
    if one.reconstruction.duel is None:
        systems = text.plural(one.column.systems, "system")
        return [*claims, f"{text.sentence(systems)} in one column: shares, but no test of one system against another."]
    return [*claims, *_test_claims(one, one.reconstruction.duel)]


def _size_claim(one: ColumnVerdict) -> str:
    size = text.count(one.column.size or 0)
    if one.size_fits is None:
        return f"The printed n = {size} is not checked." if one.column.unit != "count" else f"The printed n is {size}."
    return f"The printed n = {size} fits." if one.size_fits else f"The printed n = {size} does not fit these numbers."


def _test_claims(one: ColumnVerdict, duel: Duel) -> list[str]:
    first, second = (text.tame(label, 60) for label in one.column.labels[:2])
    leader, other = (first, second) if (duel.preference.value or 0) >= 0 else (second, first)
    known = one.reconstruction is not None and one.reconstruction.basis != "smallest n that fits"
    fits = () if known or one.check is None else one.check.fits
    p = duel.sign.p if duel.sign.p is not None else 1.0
    claims = [_across_sizes(leader, other, fits) if fits else _at_one_size(leader, other, p)]
    if p >= ALPHA:
        claims.append("That the two are on par is not shown: no evidence of a difference is no evidence of none.")
    return claims


def _at_one_size(leader: str, other: str, p: float) -> str:
    if p < ALPHA:
        return f"If votes were independent, {leader} would be ahead of {other} (p {_is(p)})."
    return f"It does not show that {leader} is ahead of {other} (p {_is(p)})."


def _across_sizes(leader: str, other: str, fits: Sequence[Fit]) -> str:
    """The sentence on how p hangs on the number of votes that the table does not print."""
    first = "p: " + ", ".join(f"{_p_range(fit)} at n = {text.count(fit.n)}" for fit in fits[:SHOWN])
    below = [fit.n for fit in fits if (fit.p_high or 0) < ALPHA]
    if len(below) == len(fits):
        return f"If votes were independent, {leader} would be ahead of {other} at every n that fits ({first})."
    if not any((fit.p_low or 0) < ALPHA for fit in fits):
        last = text.count(fits[-1].n)
        return f"At no n that fits, up to {last}, does it show that {leader} is ahead of {other} ({first})."
    since = f", first at n = {text.count(below[0])}" if below else ""
    return (
        f"Whether {leader} is ahead of {other} hangs on a number that the table does not print: {first}; "
        f"below .05 at {text.count(len(below))} of {text.count(len(fits))} sizes{since}."
    )


def _p_range(fit: Fit) -> str:
    low, high = _p(fit.p_low), _p(fit.p_high)
    return low if low == high else f"{low} to {high}"


def _p(p: float | None) -> str:
    """Three decimals: what matters here is on which side of .05 it falls."""
    if p is None:
        return "not computed"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _is(p: float | None) -> str:
    return _p(p) if p is None or p < 0.001 else f"= {_p(p)}"
