"""Biased? The health card's panel of FD(N), the fitted line and its end, FD-infinity, and the corrected value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Table
from evalkit.sections._chart import lines
from evalkit.sections._health_panels import Panel, estimate, reasons
from evalkit.sections._study import Facts
from evalkit.stats import health
from evalkit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


def bias_panel(card: pd.DataFrame, facts: Facts) -> Panel:
    """How much of the plain distance is there because of the number of images."""
    mine = card[card["panel"] == "biased"]
    verdicts, shares, numbers = [], [], dict[str, Number]()
    for system in dict.fromkeys(mine["system"]):
        rows = {row["measure"]: estimate(row) for _, row in mine[mine["system"] == system].iterrows()}
        numbers |= {f"biased/{system}/{name}": value for name, value in rows.items() if name != "FD(N)"}
        plain, corrected = rows.get("plain on axes"), rows.get("corrected")
        if plain is None or corrected is None or not plain.value or corrected.value is None:
            verdicts.append(health.bias(0.0, Estimate(None, None, None, 0, "")))
            continue
        verdicts.append(health.bias(plain.value, corrected))
        shares.append(f"{_format.percent(max(0.0, 1 - corrected.value / plain.value))} ({facts.label(system)})")
    sentence = (
        f"Of the plain distance, {_format.listed(shares)} is bias by the number of images: print the corrected value, "
        "or compare equal numbers only."
        if shares
        else f"Not judged: {reasons(mine)}."
    )
    return Panel("Biased", health.worst(verdicts), sentence, _bias_blocks(mine, facts), numbers)


def _bias_blocks(mine: pd.DataFrame, facts: Facts) -> list[Block]:
    columns = (
        Column("System", align="left"),
        Column("Value", align="left"),
        Column("dimensions", align="left"),
        Column("distance", f"{facts.confidence} interval"),
        Column("images", "n"),
    )
    shown = mine[mine["measure"] != "FD(N)"]
    rows = tuple(
        (
            facts.label(row["system"]),
            str(row["measure"]),
            str(row["setting"]),
            _format.measure(estimate(row)) if estimate(row).value is not None else "no value",
            _format.count(int(row["n"])),
        )
        for _, row in shown.iterrows()
    )
    note = _format.notes([estimate(row) for _, row in shown.iterrows()])
    table = Table("Plain, extrapolated and corrected", columns, rows, note)
    curves = _curves(mine)
    if not curves:
        return [table]
    heights = [y for one in curves.values() for _, y in (*one.points, *one.line)]
    room = 0.06 * (max(heights) - min(heights) or 1.0)
    ends, axes = (min(heights) - room, max(heights) + room), ("1 / number of images", "Frechet distance")
    return [
        Figure(
            name="health-bias",
            title="Biased? The distance against one over the number of images",
            subtitle=f"FD(N) of subsets; what climbs to the right is bias. {_told(curves)}",
            panels=tuple(
                lines(facts.label(name), {"": (facts.colour(name), one.points)}, *axes, y_ends=ends, fitted=one.fitted)
                for name, one in curves.items()
            ),
            alt=" ".join(f"{facts.label(name)}: {one.text}." for name, one in curves.items()),
            table=table,
            open=True,
        )
    ]


@dataclass(frozen=True)
class Curve:
    """FD(N) as points (1/N, value), and the fitted line's ends: FD-infinity at 0 first; empty where there is none."""

    points: list[tuple[float, float]]
    line: list[tuple[float, float]]

    @property
    def fitted(self) -> tuple[str, list[tuple[float, float]]]:
        return "FD-infinity", self.line

    @property
    def text(self) -> str:
        end = f"; the fitted line meets 1/N = 0 at FD-infinity = {self.line[0][1]:.4g}" if self.line else ""
        return f"FD(N) against 1/N, {self.points[0][1]:.4g} to {self.points[-1][1]:.4g}{end}"


def _curves(mine: pd.DataFrame) -> dict[str, Curve]:
    found = {}
    for system, rows in mine.groupby("system", sort=False):
        subsets = rows[rows["measure"] == "FD(N)"].sort_values("n")
        points = [(1 / n, float(value)) for n, value in zip(subsets["n"], subsets["value"], strict=True)]
        if points:
            ends = rows[(rows["measure"] == "FD-infinity") & rows["value"].notna()]["value"]
            found[str(system)] = Curve(points, _line(points, float(ends.iloc[0])) if len(ends) else [])
    return found


def _line(points: list[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """From 1/N = 0, where it is FD-infinity, to the smallest subset: the least squares slope of that end."""
    x, y = np.array(points).T
    slope = float(x @ (y - end) / (x @ x))
    return [(0.0, end), (float(x.max()), end + slope * float(x.max()))]


def _told(curves: Mapping[str, Curve]) -> str:
    if any(one.line for one in curves.values()):
        return "Dashed: the fitted line; where it meets 1/N = 0 is FD-infinity (no valid interval)."
    return "No line is fitted, and there is no FD-infinity: too few images for the number of dimensions."
