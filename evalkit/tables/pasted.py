"""Plain text as it comes out of a PDF or a terminal: words, then numbers, parted by blanks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from evalkit.tables.grid import MAX_ROWS, Grid, grid
from evalkit.tables.numbers import parse

GAP = re.compile(r"\t+|\s{2,}")
UNIT = re.compile(r"(?<=\d)\s+(?=(?:%|percent\b|pct\b))")
BESIDE = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\]|±\s*[\d.,]+)")


def read(text: str) -> Iterator[Grid]:
    """Each run of lines without an empty one as a table: the last k words of a line that are numbers are its cells.

    k is what most lines have, so that "Stable Diffusion 1.5  30.5  18.8" keeps its name.
    """
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    found = (_block([line.strip() for line in block.splitlines() if line.strip()][:MAX_ROWS]) for block in blocks)
    return (table for table in found if table is not None)


def _block(lines: list[str]) -> Grid | None:
    parted = [_trailing_numbers(line) for line in lines]
    counts = Counter(len(numbers) for _, numbers in parted if numbers)
    if not counts:
        return None
    k = max(counts, key=lambda size: (counts[size], -size))
    return grid(_row(line, words, numbers, k) for line, (words, numbers) in zip(lines, parted, strict=True))


def _row(line: str, words: list[str], numbers: list[str], k: int) -> list[str]:
    if not numbers:
        return _head(line, k)
    kept = numbers[-k:]
    label = " ".join([*words, *numbers[: len(numbers) - len(kept)]])
    return [label, *kept]


def _head(line: str, k: int) -> list[str]:
    """A line without numbers: its parts if wide gaps or single words make as many as there are columns."""
    for parts in (GAP.split(line), line.split()):
        if len(parts) == k:
            return ["", *parts]
        if len(parts) == k + 1:
            return parts
    return [line]


def _trailing_numbers(line: str) -> tuple[list[str], list[str]]:
    """The words of a line, and the numbers that it ends in (brackets behind a number belong to it)."""
    line = " ".join(line.split())
    words = UNIT.sub("", BESIDE.sub("", line) or line).split()
    first = len(words)
    while first and parse(words[first - 1]) is not None:
        first -= 1
    return words[:first], words[first:]
