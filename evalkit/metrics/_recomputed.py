"""Numbers of a run beside the same numbers computed again: what is the same, and the first that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.metrics._sheet import Sheet

TOLERANCE = 1e-3
"""Largest relative difference that other hardware may make; on one machine it is below 1e-5."""
CALLED = ("system", "slice", "lang", "system_a", "system_b", "image_key", "panel", "measure", "setting")
EXACT = ("signature", *CALLED, "image", "other", "n")
"""Columns that must be equal, in any table that has them; a row is called by those of `CALLED`."""
NUMBERS = ("value", "low", "high", "p")
SMALLEST = {"p": TOLERANCE}
"""A difference counts against the number itself, but no less than this (else 1e-6)."""


@dataclass(frozen=True)
class Checked:
    """One metric: how many numbers were compared, their largest relative difference, and what is wrong ("" if none)."""

    metric: str
    numbers: int
    largest: float
    wrong: str


def sheet_compared(name: str, known: Sequence[dict[str, Any]], table: pd.DataFrame, sheet: Sheet) -> Checked:
    """A metric's rows of metrics.json, then its table in scores/, against a new sheet."""
    import pandas as pd

    parts = [
        (pd.DataFrame([row for row in known if key in row]), pd.DataFrame(rows))
        for key, rows in (("slice", sheet.values), ("system_a", sheet.comparisons))
    ]
    found = [compared(name, then, now) for then, now in parts]
    found.append(compared(name, table, sheet.table, where=f"scores/{name}.parquet, "))
    return joined(name, found)


def joined(name: str, found: Sequence[Checked]) -> Checked:
    """All of them as one, with the first that is wrong."""
    wrong = next((one.wrong for one in found if one.wrong), "")
    return Checked(name, sum(one.numbers for one in found), max(one.largest for one in found), wrong)


def compared(name: str, then: pd.DataFrame, now: pd.DataFrame, *, where: str = "") -> Checked:
    """Two tables row by row: names, n and signatures equal, numbers within `TOLERANCE`, none lacking on one side."""
    if len(then) != len(now):
        return Checked(name, 0, 0.0, f"{where}{len(then)} rows then, {len(now)} now")
    if then.empty:
        return Checked(name, 0, 0.0, "")
    for column in [column for column in EXACT if column in now]:
        if (other := then[column].to_numpy() != now[column].to_numpy()).any():
            return Checked(name, 0, 0.0, where + _said(then, now, column, int(other.argmax())))
    numbers, largest = 0, 0.0
    for column in [column for column in NUMBERS if column in now]:
        known, away = _differences(then, now, column)
        numbers, largest = numbers + known, max(largest, float(away.max()))
        if largest > TOLERANCE:
            return Checked(name, numbers, largest, where + _said(then, now, column, int(away.argmax())))
    return Checked(name, numbers, largest, "")


def holm_compared(comparisons: Sequence[dict[str, Any]]) -> str:
    """Whether p_holm of metrics.json is what Holm's method makes of all its p; "" if so."""
    from evalkit.stats.multiplicity import holm

    for row, now in zip(comparisons, holm([row["p"] for row in comparisons]), strict=True):
        then = row["p_holm"]
        if (then is None) != (now is None) or (then is not None and now is not None and abs(then - now) > 1e-9):
            return f"{row['metric']}, {row['system_a']} minus {row['system_b']}: p_holm {then} then, {now} now"
    return ""


def _differences(then: pd.DataFrame, now: pd.DataFrame, column: str) -> tuple[int, npt.NDArray[np.float64]]:
    """How many numbers there are, and the relative difference of each; infinite where one side has none."""
    old, new = (table[column].to_numpy(dtype=np.float64, na_value=np.nan) for table in (then, now))
    scale = np.maximum(_scale(now, column), np.nan_to_num(np.abs(new)))
    away = np.abs(old - new) / np.maximum(scale, SMALLEST.get(column, 1e-6))
    away[np.isnan(old) & np.isnan(new)] = 0.0
    return int((~np.isnan(new)).sum()), np.nan_to_num(away, nan=np.inf)


def _scale(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """What a difference is small against: an interval's own value; a change of a distance by JPEG, the distance."""
    values = table["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    own = np.zeros(len(table)) if column == "p" else np.nan_to_num(np.abs(values))
    if "panel" not in table:
        return own
    whole = table.assign(size=own).groupby(["panel", "system"])["size"].transform("max").to_numpy()
    return np.where(table["panel"] == "fragile", whole, own)


def _said(then: pd.DataFrame, now: pd.DataFrame, column: str, place: int) -> str:
    old, new = then[column].iloc[place], now[column].iloc[place]
    if column == "signature":
        return f"signed {old} then, {new} now"
    row = now.iloc[place]
    called = [str(row[key]) for key in CALLED if key in now and key != column and row[key]]
    return f"{', '.join(called)}: {column} {_shown(old)} then, {_shown(new)} now"


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "None"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
