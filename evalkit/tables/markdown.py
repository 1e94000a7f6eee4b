"""Pipe tables: Markdown with or without its delimiter row, and boxes drawn with | + - or the lines of Unicode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from evalkit.tables.grid import MAX_COLUMNS, Grid, grid

BOX = str.maketrans({**dict.fromkeys("│┃║", "|"), **dict.fromkeys("─━═┄┈╌", "-"), **dict.fromkeys("┼╋╬├┤┌┐└┘╪╫", "+")})
PIPE = re.compile(r"(?<!\\)\|")


def read(text: str) -> Iterator[Grid]:
    """Every run of lines with a pipe in it; what stands above the first rule between rows is the head."""
    lines = [line.translate(BOX).strip() for line in text.splitlines()]
    blocks = (list(block) for has_pipe, block in groupby(lines, _is_row) if has_pipe)
    return (found for block in blocks if (found := _block(block)) is not None)


def _is_row(line: str) -> bool:
    return bool(PIPE.search(line)) or _is_rule(line)


def _is_rule(line: str) -> bool:
    return ("-" in line or "=" in line) and not set(line) - set(" \t|+:=-")


def _block(lines: list[str]) -> Grid | None:
    while lines and _is_rule(lines[0]):
        lines = lines[1:]
    rules = [place for place, line in enumerate(lines) if _is_rule(line)]
    head = rules[0] if rules and rules[0] < len(lines) - 1 else None
    rows = [_cells(line) for line in lines if not _is_rule(line)]
    return grid(rows, head)


def _cells(line: str) -> list[str]:
    cells = PIPE.split(line.removeprefix("|"), maxsplit=MAX_COLUMNS)
    return [_plain(cell) for cell in (cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells)]


def _plain(cell: str) -> str:
    """The text of a cell: links by their words, no emphasis, no tags."""
    cell = re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1", cell.replace("\\|", "|"))
    cell = re.sub(r"<sup>.{0,40}?</sup>", "", cell)
    cell = re.sub(r"<[^<>]{0,200}>", " ", cell)
    return re.sub(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", "", cell).strip()
