"""A grid as columns of shares: one column is one question, its cells are the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.tables.answers import Role, roles_of, speaks_of_votes
from evalkit.tables.grid import Grid
from evalkit.tables.layout import Section, sections
from evalkit.tables.numbers import Number, parse

Unit = Literal["percent", "fraction", "count"]
UNITS: tuple[Unit, ...] = ("percent", "fraction", "count")
ORDER: tuple[Role, ...] = ("system", "tie", "neither")
SIZE_IN_NAME = re.compile(r"\bn\s*=\s*(\d[\d,]{0,9})", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """What a person says about a table: its `tie` and `neither` row ("": none), unit, decimals; None: found out."""

    tie: str | None = None
    neither: str | None = None
    unit: Unit | None = None
    decimals: int | None = None


@dataclass(frozen=True)
class ShareColumn:
    """Answers in the order systems, on par, neither. `values` in percent with `decimals` printed, or counts.

    `size`: the number of votes that the table itself prints. `notes`: what was decided in reading.
    """

    name: str
    labels: tuple[str, ...]
    roles: tuple[Role, ...]
    values: tuple[float, ...]
    unit: Unit
    decimals: int
    size: int | None
    notes: tuple[str, ...]

    @property
    def systems(self) -> int:
        return self.roles.count("system")


@dataclass(frozen=True)
class LeftOut:
    """A column that is none of shares, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Cell:
    label: str
    role: Role
    text: str
    number: Number | None


def share_columns(grid: Grid, reading: Reading) -> list[ShareColumn | LeftOut]:
    """Every column of numbers, as shares or with the reason why not.

    Raises:
        SpecError: a row that `reading` names is not in the table.
    """
    found: list[ShareColumn | LeftOut] = []
    for section in sections(grid, named=[row for row in (reading.tie, reading.neither) if row]):
        roles = roles_of(section.labels, tie=reading.tie, neither=reading.neither)
        found += [_column(section, place, roles, reading) for place in section.places]
    return found


def _column(section: Section, place: int, roles: Sequence[Role], reading: Reading) -> ShareColumn | LeftOut:
    name = section.name(place)
    every = [
        _Cell(label, role, row[place], parse(row[place]))
        for label, role, row in zip(section.labels, roles, section.rows, strict=True)
    ]
    answers = sorted((cell for cell in every if cell.role in ORDER), key=lambda cell: ORDER.index(cell.role))
    numbers = [cell.number for cell in answers if cell.number is not None]
    if not numbers:
        return LeftOut(name, "no answer in it has a number")
    unit = reading.unit or _unit(numbers, name, speaks_of_votes(section.labels))
    fault = unit if unit not in UNITS else _fault(numbers, unit)
    if fault:
        return LeftOut(name, fault)
    return _shares(name, every, answers, unit, reading)  # type: ignore[arg-type]


def _unit(numbers: Sequence[Number], name: str, votes: bool) -> str:
    """The unit, or the reason why there is none."""
    values = [number.value for number in numbers]
    whole, total = all(number.decimals == 0 for number in numbers), sum(values)
    slack = len(values) * 0.5 * 10.0 ** -max(number.decimals for number in numbers) + 1e-9
    if any(number.percent for number in numbers) or "%" in name or "percent" in name.lower():
        return "percent"
    if abs(total - 100) <= slack:
        return "percent"
    if not whole and max(values) <= 1 and (abs(total - 1) <= slack or (votes and total <= 1 + slack)):
        return "fraction"
    if votes:
        return "count" if whole else "percent"
    return "no percent sign, no total of 100 and no row that is a known answer: name the unit if these are shares"


def _fault(numbers: Sequence[Number], unit: str) -> str | None:
    values = [number.value for number in numbers]
    most = {"percent": 100.0, "fraction": 1.0, "count": 1e9}[unit]
    if min(values) < 0:
        return f"{min(values):g} is negative: no share of votes"
    if max(values) > most:
        return f"{max(values):g} is over {most:g}: no {unit} of votes"
    if unit == "count" and any(value % 1 for value in values):
        return "counts of votes are whole numbers"
    return "every cell is zero" if unit == "count" and not sum(values) else None


def _shares(name: str, every: list[_Cell], answers: list[_Cell], unit: Unit, reading: Reading) -> ShareColumn:
    kept = [(cell, cell.number) for cell in answers if cell.number is not None]
    printed = [max(0, number.decimals - (2 if unit == "fraction" else 0)) for _, number in kept]
    decimals = reading.decimals if reading.decimals is not None else max(printed)
    scale = 100 if unit == "fraction" else 1
    return ShareColumn(
        name=name,
        labels=tuple(cell.label for cell, _ in kept),
        roles=tuple(cell.role for cell, _ in kept),
        values=tuple(round(number.value * scale, 12) for _, number in kept),
        unit=unit,
        decimals=0 if unit == "count" else decimals,
        size=_size(name, every),
        notes=tuple(_notes(answers, printed, unit, reading, decimals)),
    )


def _size(name: str, every: Sequence[_Cell]) -> int | None:
    """The number of votes as printed: a row of its own, or "n = 95" in the head of the column."""
    rows = [cell.number.value for cell in every if cell.role == "size" and cell.number is not None]
    if rows and rows[0] >= 1 and not rows[0] % 1:
        return int(rows[0])
    found = SIZE_IN_NAME.search(name)
    size = int(found[1].replace(",", "")) if found else 0
    return size or None


def _notes(answers: Sequence[_Cell], printed: Sequence[int], unit: Unit, reading: Reading, decimals: int) -> list[str]:
    notes = [f"{cell.label!r} has no number ({cell.text or 'empty'})" for cell in answers if cell.number is None]
    if unit == "count" and reading.unit is None:
        notes.append("whole numbers without a percent sign: read as counts of votes")
    if unit != "count" and reading.decimals is None and min(printed) != max(printed):
        notes.append(f"printed with {min(printed)} to {max(printed)} decimals: every cell is taken to have {decimals}")
    return notes
