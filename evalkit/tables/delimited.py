"""CSV and its kin: cells parted by a tab, a semicolon or a comma, with or without quotes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice

from evalkit.tables.grid import MAX_COLUMNS, MAX_ROWS, Grid, grid
from evalkit.tables.numbers import parse

DELIMITERS = "\t;,"


def read(text: str) -> Iterator[Grid]:
    """The text as one table, by the delimiter that leaves most cells that are numbers; none without a delimiter."""
    readings = [_rows(text, delimiter) for delimiter in DELIMITERS if delimiter in text]
    best = max(readings, key=_numbers, default=[])
    found = grid(best)
    return iter([found] if found is not None else [])


def _rows(text: str, delimiter: str) -> list[list[str]]:
    lines = (line for line in text.replace("\0", "").splitlines(keepends=True) if not line.startswith("#"))
    try:
        rows = list(islice(csv.reader(lines, delimiter=delimiter, skipinitialspace=True), MAX_ROWS))
    except csv.Error:  # a field beyond the limit, or a quote that never ends
        return []
    return [row[:MAX_COLUMNS] for row in rows if len(row) > 1]


def _numbers(rows: Iterable[list[str]]) -> int:
    return sum(parse(cell) is not None for row in rows for cell in row)
