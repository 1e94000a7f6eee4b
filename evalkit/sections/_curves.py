"""Drawings of quality against cost: a line a model, a dot on its interval for each system, labels beside the lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.sections._blocks import Panel
from evalkit.sections._chart import FONT, WIDTH, to_svg
from evalkit.stats.estimate import Estimate

if TYPE_CHECKING:
    import altair as alt

HEIGHT, NAMES = 210, 190


@dataclass(frozen=True)
class Line:
    """One line: its label, its colour, and (cost, quality) from left to right."""

    label: str
    colour: str
    points: tuple[tuple[float, Estimate], ...]


def cost_curves(title: str, lines: Sequence[Line], x_title: str, y_title: str, ticks: Sequence[float] = ()) -> Panel:
    """Cost on a logarithmic axis (twice the cost is the same step everywhere), quality on its own scale."""
    import altair as alt

    rows = [_row(line, cost, quality) for line in lines for cost, quality in line.points]
    axis = alt.Axis(values=list(ticks), format="~g") if ticks else alt.Axis(tickCount=5, format="~g")
    x = alt.X("cost:Q", title=x_title, axis=axis, scale=alt.Scale(type="log", base=2, nice=False, padding=14))
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(tickCount=5))
    colour = alt.Color("colour:N", scale=None)
    chart = alt.Chart(alt.InlineData(values=rows)).encode(x=x, color=colour)
    layers = [
        chart.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q"),
        chart.mark_line(strokeWidth=1.5).encode(y=y, detail="label:N"),
        chart.mark_point(filled=True, size=50, opacity=1).encode(y=y),
        *_labels(lines, x, y),
    ]
    return Panel(title, to_svg(alt.layer(*layers).properties(width=WIDTH - NAMES, height=HEIGHT)))


def _row(line: Line, cost: float, quality: Estimate) -> dict[str, Any]:
    value = quality.value
    low, high = (value if bound is None else bound for bound in (quality.low, quality.high))
    return {"cost": cost, "value": value, "low": low, "high": high, "label": line.label, "colour": line.colour}


def _labels(lines: Sequence[Line], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The name of each line right of its end: the highest a little above, the others below."""
    import altair as alt

    ends = [(line.points[-1][0], line.points[-1][1].value or 0.0) for line in lines]
    highest = max(value for _, value in ends)
    found = []
    for line, (cost, value) in zip(lines, ends, strict=True):
        row = {"cost": cost, "value": value, "label": line.label, "colour": line.colour}
        mark = alt.Chart(alt.InlineData(values=[row])).mark_text(
            align="left", dx=9, dy=-7 if value == highest else 7, fontSize=FONT
        )
        found.append(mark.encode(x=x, y=y, text="label:N", color=alt.Color("colour:N", scale=None)))
    return found
