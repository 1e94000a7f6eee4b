"""Published tables, read from what people paste: Markdown, HTML, LaTeX, CSV, TSV, or plain text.

Each format is one file with `read(text) -> Iterator[Grid]`; a grid becomes columns of shares in `shares.py`.
"""

from __future__ import annotations

from itertools import islice

from evalkit.errors import EvalkitError
from evalkit.tables import delimited, html, latex, markdown, pasted
from evalkit.tables.grid import Grid
from evalkit.tables.numbers import parse

FORMATS = (html, latex, markdown, delimited, pasted)
MAX_CHARACTERS, MAX_TABLES = 1_000_000, 20


class TableError(EvalkitError):
    """A text holds no table that can be read."""


def read_grids(text: str, *, where: str = "") -> list[Grid]:
    """The tables of a text, read in the format that finds the most numbers (an earlier format wins a draw).

    Raises:
        TableError: the text is too long, or nothing in it reads as a table with a number.
    """
    if len(text) > MAX_CHARACTERS:
        raise TableError(
            f"the text is longer than {MAX_CHARACTERS:,} characters", where=where, hint="cut out the table"
        )
    readings = [list(islice(filter(_numbers, reader.read(text)), MAX_TABLES)) for reader in FORMATS]
    best = max(readings, key=lambda grids: sum(map(_numbers, grids)))
    if not best:
        hint = "a table has a row for each answer and a number in it, as in `On par | 26.3 %`"
        raise TableError("no table with a number in it", where=where, hint=hint)
    return best


def _numbers(grid: Grid) -> int:
    return sum(parse(cell) is not None for row in grid.rows for cell in row)
