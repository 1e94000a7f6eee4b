"""A cell of a table as a number: "41.1 %", "**41,1**", "0.411", "41.1 (38-44)", "41.1 ± 2.0", "1,234", "41.1*"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from evalkit.tables.grid import MAX_CELL

RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜ"
MARKS = "*†‡§#^°"
BESIDE = re.compile(r"\s*(?:[(\[{].*|±.*|\+/?-.*)$")
NUMBER = re.compile(r"[~≈]?\s*([+-]?(?:\d[\d.,' ]*|[.,]\d+))\s*(%|percent|per cent|pct\.?|points?|pp)?")
WESTERN = {"٪": "%", "٫": ".", "٬": ",", "−": "-", "–": "-", "—": "-", "‐": "-", "·": ".", "’": "'"}
PERCENT = ("%", "percent", "per cent", "pct", "pct.")
LONGEST = 12


@dataclass(frozen=True)
class Number:
    """`decimals`: how many are printed; `percent`: whether the cell says so itself."""

    value: float
    decimals: int
    percent: bool


def parse(cell: str) -> Number | None:
    """The number of a cell, if it holds one and nothing else but its unit, footnote marks and what stands in brackets.

    A range ("40-45"), a bound ("< 1") and two numbers ("41 / 30") are no number.
    """
    found = NUMBER.fullmatch(_plain(cell)) if len(cell) <= MAX_CELL else None
    if found is None:
        return None
    percent = found[2] in PERCENT
    digits = _decimal_point(found[1].strip(), percent=percent)
    whole, _, fraction = (digits or "").partition(".")
    if digits is None or max(len(whole), len(fraction)) > LONGEST:
        return None
    return Number(float(digits), len(fraction), percent)


def _plain(cell: str) -> str:
    """Without markup, footnotes, brackets behind the number, and with Western digits and signs."""
    cell = re.sub(r"<[^<>]{0,200}>", "", cell)
    text = unicodedata.normalize("NFKC", "".join(letter for letter in cell if letter not in RAISED))
    text = "".join(_western(letter) for letter in text).lower().strip("*_`$ ")
    text = BESIDE.sub("", text) if text[:1] not in "([{" else text
    return re.sub(rf"\s*(?:[{re.escape(MARKS)}]|\^\{{?\w{{1,3}}\}}?)+$", "", text).strip("*_` ")


def _western(letter: str) -> str:
    if letter.isdigit() and not letter.isascii():
        return str(unicodedata.digit(letter))
    return WESTERN.get(letter, letter)


def _decimal_point(digits: str, *, percent: bool) -> str | None:
    """The digits with a point and no grouping: the last of two kinds of separators is the decimal one.

    A single comma before exactly three digits groups thousands ("1,234"), except in a percentage or after a zero.
    """
    sign, digits = ("-", digits[1:]) if digits[:1] == "-" else ("", digits.lstrip("+"))
    digits = re.sub(r"(?<=\d)[' ](?=\d{3}(?:\D|$))", "", digits)
    if "," in digits and "." in digits:
        group = "," if digits.rindex(".") > digits.rindex(",") else "."
        digits = digits.replace(group, "")
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+", digits) and not percent:
        digits = digits.replace(",", "")
    digits = digits.replace(",", ".")
    return sign + digits if re.fullmatch(r"\d+(?:\.\d+)?|\.\d+", digits) else None
