"""One table in fourteen ways of writing reads as one and the same; and no text at all brings the reader down."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.tables import MAX_CHARACTERS, TableError, read_grids
from evalkit.tables.grid import MAX_CELL, MAX_COLUMNS, MAX_ROWS
from evalkit.tables.shares import UNITS, Reading, ShareColumn, share_columns
from tests.tables.published import EVERY, MARKDOWN

SYSTEMS = ("DeciDiffusion 1.0, 30 iterations", "Stable Diffusion 1.5, 50 iterations")


def columns(text: str, **said: object) -> list[ShareColumn]:
    found = [column for grid in read_grids(text) for column in share_columns(grid, Reading(**said))]
    return [column for column in found if isinstance(column, ShareColumn)]


@pytest.mark.parametrize("name", EVERY)
def test_the_same_table_in_every_way_of_writing(name: str) -> None:
    aesthetics, alignment = [one for one in columns(EVERY[name]) if len(one.labels) == 4]
    assert aesthetics.values == (41.1, 30.5, 26.3, 2.1) and alignment.values == (20.8, 18.8, 39.1, 11.4)
    for column, question in ((aesthetics, "aesthetics"), (alignment, "alignment")):
        assert column.name.startswith(question)
        assert column.labels == (*SYSTEMS, "On par", "Neither")
        assert column.roles == ("system", "system", "tie", "neither")
        assert column.decimals == 1 and column.size is None


def test_a_span_stands_above_each_of_its_columns() -> None:
    page = (
        "<table><tr><th rowspan=2>answer<th colspan=2>study one<tr><th>looks<th>text"
        "<tr><td>A<td>60 %<td>50 %<tr><td>B<td>40 %<td>50 %</table>"
    )
    assert [column.name for column in columns(page)] == ["study one · looks", "study one · text"]
    tex = r"answer & \multicolumn{2}{c}{study one} \\ & looks & text \\ A & 60\% & 50\% \\ B & 40\% & 50\% \\"
    assert [column.name for column in columns(tex)] == ["study one · looks", "study one · text"]


def test_two_tables_are_two() -> None:
    assert len(read_grids(MARKDOWN + "\n\nand then\n\n" + MARKDOWN)) == 2


@pytest.mark.parametrize(
    "text", ["", " \n", "no table", "| a | b |\n|---|---|\n| c | d |", "\0\0", "%", "|||", "<table>"]
)
def test_no_table_is_said_and_not_guessed(text: str) -> None:
    with pytest.raises(TableError, match="no table"):
        read_grids(text)


def test_too_long_is_said() -> None:
    with pytest.raises(TableError, match="longer than"):
        read_grids("1" * (MAX_CHARACTERS + 1))


PIECES = [
    *"|-+:=\n\t ,;.&%$\\{}()[]<>*_`~±0123456789a\x1b\u200b\u2028²٣½一", "41.1", "<table>", "<tr>", "<td>", "</table>",
    "<td colspan=9999 rowspan=999>", "<![CDATA[", "<!--", "\\begin{tabular}", "\\end{tabular}", "\\\\", "on par",
    "neither", "total", "votes", "n = 5", "win", "\\multicolumn{3}{c}{", "nan", "1e5", "1,234", "| a | 60 |\n",
]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    text=st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=120).map("".join)),
    unit=st.sampled_from([None, *UNITS]),
)
@example(text="0%\n0%", unit=None)
@example(text="<td", unit="count")
def test_no_text_brings_the_reader_down_and_what_it_reads_is_shares(text: str, unit: str | None) -> None:
    with suppress(TableError):
        for column in columns(text, unit=unit):
            assert len(column.labels) == len(column.roles) == len(column.values) >= 1
            assert all(value >= 0 and (column.unit == "count" or value <= 100) for value in column.values)
            assert all(label.isprintable() and label for label in column.labels)


HOSTILE = [
    "-" * 900_000 + "x", "(" * 900_000, "[" * 900_000, "|" * 900_000, "<a " * 300_000, "<!--" * 200_000,
    "\\begin{tabular}" * 60_000, "1" + " " * 900_000 + "x", "1\n\n" * 60_000, "<table>" + "<td>41" * 30_000,
    "1," * 400_000, '"' * 900_000, "<table" * 150_000,
]  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_a_hostile_megabyte_is_read_within_the_limits(place: int) -> None:
    with suppress(TableError):
        for grid in read_grids(HOSTILE[place]):
            assert len(grid.rows) <= MAX_ROWS and grid.width <= MAX_COLUMNS
            assert all(len(cell) <= MAX_CELL for row in grid.rows for cell in row)
