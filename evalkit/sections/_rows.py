"""A list of named estimates, as a table and as bare numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evalkit.sections import _format
from evalkit.sections._blocks import Column, Number, Table
from evalkit.sections._study import Facts
from evalkit.stats.estimate import Estimate


@dataclass(frozen=True)
class Row:
    """One estimate with its label, the key of its number, and how it is written."""

    label: str
    key: str
    estimate: Estimate
    write: Callable[[Estimate], str] = _format.share


def row_table(title: str, rows: list[Row], facts: Facts, note: str = "") -> Table:
    """One row an estimate: value with interval, n, prompts, raters; methods in the note."""
    columns = (
        Column("Measure", align="left"),
        Column("value", f"{facts.confidence} interval"),
        Column("n"),
        Column("prompts"),
        Column("raters"),
    )
    cells = tuple(
        (
            row.label,
            row.write(row.estimate) if row.estimate.value is not None else "no value",
            _format.count(row.estimate.n),
            _format.count(row.estimate.prompts) if row.estimate.prompts else "–",
            _format.count(row.estimate.raters) if row.estimate.raters else "–",
        )
        for row in rows
    )
    methods = f"Intervals: {'; '.join(dict.fromkeys(row.estimate.method for row in rows))}."
    said = " ".join(part for part in (note, methods, _format.notes([row.estimate for row in rows])) if part)
    return Table(title, columns, cells, said)


def numbers_of(rows: list[Row]) -> dict[str, Number]:
    """The bare numbers by key."""
    return {row.key: row.estimate for row in rows}
