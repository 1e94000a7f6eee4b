"""How a table lies: which way its answers run, where its names and labels are, and the sections it falls into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.tables.answers import role_of, speaks_of_votes
from evalkit.tables.grid import Grid
from evalkit.tables.numbers import Number, parse

Row = tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """Rows that belong together. `places`: the columns with numbers; `heads`: what stands above every column."""

    title: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    places: tuple[int, ...]
    heads: tuple[str, ...]

    def name(self, place: int) -> str:
        number = f"column {self.places.index(place) + 1}"
        own = self.heads[place] or ("" if self.title and len(self.places) == 1 else number)
        return " · ".join(part for part in (self.title, own) if part)


def sections(grid: Grid, *, named: Sequence[str] = ()) -> list[Section]:
    """The table turned so that answers run down, parted where a line holds nothing but a heading.

    `named`: rows that a person named; they tell which way the table runs.
    """
    turned = grid.transposed() if _runs_across(grid, named) else grid
    head = _head_rows(turned)
    body = turned.rows[head:]
    places = _number_columns(body)
    heads = tuple(_joined(column) for column in zip(*turned.rows[:head], strict=True)) or ("",) * turned.width
    text_columns = range(min(places, default=0))
    parts = _parted(body, text_columns, places)
    return [_section(title, rows, label_column, places, heads) for title, rows, label_column in parts if rows]


def _runs_across(grid: Grid, named: Sequence[str]) -> bool:
    """Whether answers run from left to right: by ties on one of the axes, by which way adds up, by wins and losses."""
    down, across = [row[0] for row in grid.rows], grid.rows[max(1, grid.head or 1) - 1]
    if grid.width < 2 or len(grid.rows) < 2:
        return False
    for name in named:
        here, there = (any(name.casefold() in label.casefold() for label in labels) for labels in (down, across))
        if here != there:
            return there
    ties = [sum(role_of(label) in ("tie", "neither") for label in labels) for labels in (down, across)]
    if ties[0] != ties[1]:
        return ties[1] > ties[0]
    whole = [any(map(_whole, lines)) for lines in (zip(*grid.rows, strict=True), grid.rows)]
    if whole[0] != whole[1]:
        return whole[1]
    return speaks_of_votes(across) and not speaks_of_votes(down)


def _whole(cells: Sequence[str]) -> bool:
    """Whether two or more numbers add up to one whole, within their rounding."""
    numbers = [number for cell in cells if (number := parse(cell)) is not None]
    if len(numbers) < 2:
        return False
    total = sum(number.value for number in numbers)
    slack = len(numbers) * 0.5 * 10.0 ** -max(number.decimals for number in numbers) + 1e-9
    return abs(total - 100) <= slack or (abs(total - 1) <= min(slack, 0.02) and max(n.decimals for n in numbers) > 0)


def _head_rows(grid: Grid) -> int:
    """How many rows at the top are names: those before the first number, or those that the format marks as head."""
    marked = grid.rows[: grid.head or 0]
    if marked and not any(_is_share(number) for row in marked for number in _numbers(row)):
        return len(marked)
    first = next((y for y, row in enumerate(grid.rows) if _numbers(row[1:] if grid.width > 1 else row)), 0)
    return first


def _is_share(number: Number) -> bool:
    return number.percent or number.decimals > 0


def _numbers(row: Sequence[str]) -> list[Number]:
    return [number for cell in row if (number := parse(cell)) is not None]


def _number_columns(body: Sequence[Row]) -> tuple[int, ...]:
    """Columns of which at least half of the filled cells are numbers; the first only if it is the only one."""
    columns = list(zip(*body, strict=True))
    full = [[cell for cell in column if cell] for column in columns]
    found = [place for place, cells in enumerate(full) if cells and 2 * len(_numbers(cells)) >= len(cells)]
    first_is_index = len(columns) > 1 and found[:1] == [0] and len(found) > 1 and _counts_up(columns[0])
    return tuple(found[1:] if first_is_index else found)


def _counts_up(column: Sequence[str]) -> bool:
    return [number.value for number in _numbers(column)] == list(range(1, len(column) + 1))


def _parted(
    body: Sequence[Row], text_columns: Sequence[int], places: Sequence[int]
) -> list[tuple[str, list[Row], int | None]]:
    """Title, rows and label column of every section: by lines that are headings, or by a column before the labels."""
    label = text_columns[-1] if text_columns else None
    titled: list[tuple[str, list[Row], int | None]] = [("", [], label)]
    group = ""
    for row in body:
        outer = " · ".join(dict.fromkeys(row[place] for place in text_columns[:-1] if row[place]))
        is_heading = not any(row[place] and row[place] != row[0] for place in places) and not _numbers(row[1:])
        if is_heading and len(row) > 1:
            titled.append((_joined(row), [], label))
        elif outer and outer != group:
            titled.append((outer, [row], label))
        else:
            titled[-1][1].append(row)
        group = outer or group
    return titled


def _section(
    title: str, rows: Sequence[Row], label_column: int | None, places: tuple[int, ...], heads: tuple[str, ...]
) -> Section:
    numbered = [f"row {y}" for y in range(1, len(rows) + 1)]
    labels = [row[label_column] if label_column is not None else "" for row in rows]
    named = tuple(label or number for label, number in zip(labels, numbered, strict=True))
    return Section(title, named, tuple(rows), places, heads)


def _joined(cells: Sequence[str]) -> str:
    return " · ".join(dict.fromkeys(cell for cell in cells if cell))
