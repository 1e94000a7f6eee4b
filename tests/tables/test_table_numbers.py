"""A cell as a number, and a label as an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import SpecError
from evalkit.tables.answers import role_of, roles_of
from evalkit.tables.numbers import Number, parse

NUMBERS = {
    "41.1": (41.1, 1, False), "41.1 %": (41.1, 1, True), "**41.1%**": (41.1, 1, True), "41,1": (41.1, 1, False),
    "41": (41, 0, False), "0.411": (0.411, 3, False), ".411": (0.411, 3, False), "0,411": (0.411, 3, False),
    "1,234": (1234, 0, False), "41,123 %": (41.123, 3, True), "1.234,5": (1234.5, 1, False),
    "1 234": (1234, 0, False), "41.1*": (41.1, 1, False), "41.1†‡": (41.1, 1, False), "41.1¹": (41.1, 1, False),
    "41.1^a": (41.1, 1, False), "41.1 (38-44)": (41.1, 1, False), "41.1 [38, 44]": (41.1, 1, False),
    "41.1 ± 2": (41.1, 1, False), "41.1 +/- 2": (41.1, 1, False), "~41.1": (41.1, 1, False),
    "41.1 percent": (41.1, 1, True), "41.1 points": (41.1, 1, False), "−3.2": (-3.2, 1, False),
    "41.10": (41.1, 2, False),
    "٤١٫١٪": (41.1, 1, True), "４１．１％": (41.1, 1, True), "$41.1$": (41.1, 1, False), "_41.1_": (41.1, 1, False),
}  # fmt: skip
NONE = [
    "", "-", "–", "n/a", "nan", "inf", "1e5", "40-45", "40–45", "< 1", ">99", "41.1 / 30.5", "v1.5", "50 iterations",
    "1.2.3", "41..1", "41.1 x", "%", "½", "(41.1)", "9" * 400, "1" * 13, "--41",
]  # fmt: skip


@pytest.mark.parametrize("cell", NUMBERS)
def test_a_number(cell: str) -> None:
    assert parse(cell) == Number(*NUMBERS[cell])


@pytest.mark.parametrize("cell", NONE)
def test_what_is_no_one_number(cell: str) -> None:
    assert parse(cell) is None


@given(
    tenths=st.integers(0, 1000), decimals=st.integers(0, 3), sign=st.sampled_from(["%", " %", ""]), comma=st.booleans()
)
def test_what_is_printed_is_read_back(tenths: int, decimals: int, sign: str, comma: bool) -> None:
    printed = f"{tenths / 10:.{decimals}f}"
    cell = (printed.replace(".", ",") if comma and decimals != 3 else printed) + sign
    assert parse(cell) == Number(float(printed), decimals, bool(sign))


@given(st.text(max_size=40))
def test_no_cell_brings_it_down(cell: str) -> None:
    number = parse(cell)
    assert number is None or (number.value == number.value and 0 <= number.decimals <= 12)


ROLES = {
    "On par": "tie", "TIE": "tie", "Ties": "tie", "Draw": "tie", "Equally good": "tie", "no preference": "tie",
    "About the same": "tie", "Both are good": "tie", "Neither is better": "tie", "Unentschieden": "tie",
    "Neither": "neither", "None": "neither", "Both bad": "neither", "Tie (both bad)": "neither",
    "none of them": "neither",
    "Total": "total", "Sum:": "total", "n": "size", "N": "size", "Number of votes": "size", "# comparisons": "size",
    "Win": "system", "Lose": "system", "DeciDiffusion 1.0": "system", "Nonesuch": "system",
    "Untied Diffusion": "system",
    "Both-Diffusion wins": "tie", "No": "system", "row 1": "system",
}  # fmt: skip


@pytest.mark.parametrize("label", ROLES)
def test_the_role_of_a_label(label: str) -> None:
    assert role_of(label) == ROLES[label]


def test_a_named_row_overrules_the_words() -> None:
    labels = ["Tie-Dye Diffusion", "SDXL", "Gleichstand", "weder noch"]
    assert roles_of(labels) == ("tie", "system", "system", "neither")
    assert roles_of(labels, tie="gleich") == ("system", "system", "tie", "neither")
    assert roles_of(labels, tie="", neither="") == ("system",) * 4


def test_a_row_that_is_not_there_is_an_error_with_the_nearest() -> None:
    with pytest.raises(SpecError) as error:
        roles_of(["A", "B", "Gleichstand"], tie="Gleichstnd")
    assert "Gleichstand" in error.value.hint
