"""HTML tables, with spans and with tables inside tables; anything else on the page is passed over.

The tags are found by one expression that is linear in the text, whatever the text: no page can hold it up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape

from evalkit.tables.grid import MAX_COLUMNS, MAX_ROWS, Grid, grid

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})\b([^<>]*)>")
SPAN = re.compile(r"\b(colspan|rowspan)\s*=\s*[\"']?(\d{1,5})\b", re.IGNORECASE)
SILENT = ("sup", "script", "style")
DEEPEST = 50


@dataclass
class _Cell:
    is_head: bool
    columns: int = 1
    rows: int = 1
    text: list[str] = field(default_factory=list)


_Table = list[list[_Cell]]


@dataclass
class _Page:
    """The tables found so far, those that are open, and how many silent tags are."""

    tables: list[_Table] = field(default_factory=list)
    open: list[_Table] = field(default_factory=list)
    silent: int = 0

    def say(self, text: str) -> None:
        if self.open and self.open[-1] and self.open[-1][-1] and not self.silent:
            self.open[-1][-1][-1].text.append(unescape(text))


def read(text: str) -> Iterator[Grid]:
    """Every `<table>`; a table within a cell is a table of its own and no part of that cell."""
    page, place = _Page(), 0
    text = _without_comments(text)
    for tag in TAG.finditer(text):
        page.say(text[place : tag.start()])
        place = tag.end()
        (_close if tag[1] else _begin)(page, tag[2].lower(), tag[3])
    return (found for table in page.tables if (found := _spread(table)) is not None)


def _without_comments(text: str) -> str:
    first, *others = text.split("<!--")
    return first + "".join(other.partition("-->")[2] for other in others)


def _begin(page: _Page, tag: str, attributes: str) -> None:
    if tag in SILENT:
        page.silent += 1
    elif tag == "table" and len(page.open) < DEEPEST:
        page.open.append([])
        page.tables.append(page.open[-1])
    elif tag in ("tr", "td", "th") and page.open:
        table = page.open[-1]
        page.silent = 0
        if tag == "tr" or not table:
            table.append([])
        if tag != "tr":
            table[-1].append(_cell(tag, attributes))
    elif tag in ("br", "p", "div"):
        page.say(" ")


def _close(page: _Page, tag: str, attributes: str) -> None:
    if tag in SILENT:
        page.silent = max(0, page.silent - 1)
    elif tag == "table" and page.open:
        page.open.pop()


def _cell(tag: str, attributes: str) -> _Cell:
    spans = {name.lower(): max(1, int(number)) for name, number in SPAN.findall(attributes)}
    return _Cell(tag == "th", min(spans.get("colspan", 1), MAX_COLUMNS), min(spans.get("rowspan", 1), MAX_ROWS))


def _spread(table: Sequence[Sequence[_Cell]]) -> Grid | None:
    """Cells at their places: a cell that spans several is repeated in each."""
    held: dict[tuple[int, int], str] = {}
    head = 0
    for y, row in enumerate(table[:MAX_ROWS]):
        _place(row, y, held)
        head += head == y and bool(row) and all(cell.is_head for cell in row)
    height = min(len(table), MAX_ROWS)
    width = min(max((x for _, x in held), default=-1) + 1, MAX_COLUMNS)
    return grid(([held.get((y, x), "") for x in range(width)] for y in range(height)), head or None)


def _place(row: Sequence[_Cell], y: int, held: dict[tuple[int, int], str]) -> None:
    x = 0
    for cell in row[:MAX_COLUMNS]:
        while (y, x) in held:
            x += 1
        if x >= MAX_COLUMNS:
            return
        text = "".join(cell.text)
        held.update({(y + dy, x + dx): text for dy in range(cell.rows) for dx in range(cell.columns)})
        x += cell.columns
