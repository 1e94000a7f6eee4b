"""What every format is read into: rows of cells, plain text, none longer than the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_ROWS, MAX_COLUMNS, MAX_CELL = 500, 60, 300


@dataclass(frozen=True)
class Grid:
    """Rows of equal length. `head`: how many of the first rows name the columns; None if the format does not say."""

    rows: tuple[tuple[str, ...], ...]
    head: int | None = None

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0

    def transposed(self) -> Grid:
        return Grid(tuple(zip(*self.rows, strict=True)), None)


def grid(rows: Iterable[Sequence[str]], head: int | None = None) -> Grid | None:
    """A grid of these rows: short ones filled up, empty ones dropped, cut at the limits; None if none is left."""
    kept = [tuple(_cell(cell) for cell in row[:MAX_COLUMNS]) for row in rows]
    dropped = sum(not any(row) for row in kept[: head or 0])
    kept = [row for row in kept if any(row)][:MAX_ROWS]
    if not kept:
        return None
    width = max(map(len, kept))
    full = tuple(row + ("",) * (width - len(row)) for row in kept)
    return Grid(full, None if head is None else head - dropped)


def _cell(text: str) -> str:
    """One line, nothing that a terminal would obey or the eye cannot see."""
    line = " ".join(text[: 4 * MAX_CELL].split())
    return "".join(letter for letter in line if letter.isprintable())[:MAX_CELL].strip()
