"""report.json as CSV: one file a table, as it is shown, and numbers.csv with the bare figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

FORMULA = ("=", "@", "\t", "\r")
NUMBER = ("value", "low", "high", "p", "n", "prompts", "raters", "statistic", "degrees_of_freedom", "method", "note")


def files(record: dict[str, Any]) -> dict[str, str]:
    """File name -> CSV, UTF-8 with a header row: NN-SECTION-TITLE.csv in the order of the report, and numbers.csv."""
    found = {
        f"{place:02d}-{section}-{_slug(table['title'])}.csv": _text(_rows(table))
        for place, (section, table) in enumerate(tables(record), start=1)
    }
    return found | {"numbers.csv": _text(_numbers(record))}


def tables(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table of the report with the name of its section, those of the figures too."""
    for section in record["sections"]:
        for block in section["blocks"]:
            if block["kind"] in ("table", "figure"):
                yield section["name"], block if block["kind"] == "table" else block["table"]


def _rows(table: dict[str, Any]) -> Iterator[Sequence[str]]:
    yield [_head(column) for column in table["columns"]]
    yield from table["rows"]


def _head(column: dict[str, str]) -> str:
    named = f"{column['group']}: {column['title']}" if column["group"] else column["title"]
    return f"{named} ({column['unit']})" if column["unit"] else named


def _numbers(record: dict[str, Any]) -> Iterator[Sequence[object]]:
    yield ["section", "name", *NUMBER]
    for section in record["sections"]:
        for name, number in section["numbers"].items():
            yield [section["name"], name, *(number.get(key) for key in NUMBER)]


def _text(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return out.getvalue()


def _inert(cell: object) -> object:
    """Foreign text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _slug(title: str) -> str:
    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in title.lower())
    return "-".join(part for part in words.split("-") if part)[:60] or "table"
