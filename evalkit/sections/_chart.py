"""Drawings: altair specifications made into static SVG that takes the ink of the page, in light and in dark.

Every drawing is 420 px wide with its labels above the marks: readable on a phone, and two fit side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalkit.sections._blocks import Panel
from evalkit.stats.estimate import Estimate

if TYPE_CHECKING:
    import altair as alt

WIDTH, ROW, FONT = 420, 40, 13
INK, MUTED = "#010203", "#040506"
"""Placeholders that no drawing uses otherwise: the page's ink, and the same in a fainter tone."""


@dataclass(frozen=True)
class Mark:
    """One row of a drawing: a label, an estimate, its formatted text, and what stands beside it.

    `reference` is a published value (a diamond), `naive` an interval shown thin below the proper one.
    """

    label: str
    text: str
    estimate: Estimate
    colour: str = INK
    reference: float | None = None
    naive: Estimate | None = None


@dataclass(frozen=True)
class Scale:
    """The horizontal axis: its ends, its title, and how its numbers are written (d3-format)."""

    low: float
    high: float
    title: str
    format: str


def bars(title: str, marks: Sequence[Mark], scale: Scale) -> Panel:
    """Shares as bars from zero, each with its interval as a line and the published share as a diamond."""
    import altair as alt

    chart = _base(marks)
    layers = [
        chart.mark_bar(height=13, yOffset=9).encode(x=_x(scale), x2=alt.datum(0), color=_own_colour()),
        chart.mark_rule(yOffset=9, strokeWidth=1.5, color=INK).encode(x="low:Q", x2="high:Q"),
        chart.mark_point(
            yOffset=9, shape="diamond", size=70, color=INK, filled=False, strokeWidth=1.5, opacity=1
        ).encode(x="reference:Q"),
    ]
    return _panel(title, [*layers, *_words(chart)], len(marks))


def intervals(
    title: str, marks: Sequence[Mark], scale: Scale, *, zero: float = 0.0, margin: float | None = None
) -> Panel:
    """Estimates as dots on their intervals, a thin line where there is no effect, the margin of parity as a band."""
    import altair as alt

    chart = _base(marks)
    layers = [
        chart.mark_rule(yOffset=15, strokeWidth=1, color=MUTED).encode(x="naive_low:Q", x2="naive_high:Q"),
        chart.mark_rule(yOffset=9, strokeWidth=2, color=INK).encode(x=_x(scale), x2="high:Q"),
        chart.mark_point(yOffset=9, filled=True, size=70, opacity=1).encode(x="value:Q", color=_own_colour()),
    ]
    if any(mark.reference is not None for mark in marks):
        diamond = chart.mark_point(yOffset=9, shape="diamond", size=70, color=INK, filled=False, strokeWidth=1.5)
        layers.append(diamond.encode(x="reference:Q", opacity=alt.value(1)))
    line = alt.Chart(alt.InlineData(values=[{"zero": zero}])).mark_rule(color=MUTED, strokeWidth=1)
    layers.insert(0, line.encode(x="zero:Q"))
    if margin is not None:
        band = alt.Chart(alt.InlineData(values=[{"low": -margin, "high": margin}]))
        layers.insert(0, band.mark_rect(color=INK, opacity=0.07).encode(x="low:Q", x2="high:Q"))
    return _panel(title, [*layers, *_words(chart)], len(marks))


def curve(title: str, rows: Sequence[dict[str, float]], x_title: str, y_title: str) -> Panel:
    """Rows of x, low, middle, high: a dot for the middle on a line from low to high."""
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=list(rows)))
    x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickCount=6, format="d"), scale=alt.Scale(nice=False, padding=12))
    y = alt.Y("low:Q", title=y_title, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    layers = [
        chart.mark_rule(color=INK, strokeWidth=1.5).encode(x=x, y=y, y2="high:Q"),
        chart.mark_point(color=INK, filled=True, size=50, opacity=1).encode(x=x, y="middle:Q"),
    ]
    return Panel(title, to_svg(alt.layer(*layers).properties(width=WIDTH - 70, height=160)))


def lines(
    title: str,
    series: Mapping[str, tuple[str, Sequence[tuple[float, float]]]],
    x_title: str,
    y_title: str,
    *,
    y_ends: tuple[float, float] | None = None,
    fitted: tuple[str, Sequence[tuple[float, float]]] = ("", ()),
) -> Panel:
    """Named curves of points (x, y), each with its colour and its name at its right end.

    Args:
        y_ends: of the vertical axis, where panels side by side shall have the same.
        fitted: a line drawn dashed, its first point as a diamond with this name; none without points.
    """
    import altair as alt

    rows = [{"x": x, "y": y, "name": name, "colour": c} for name, (c, points) in series.items() for x, y in points]
    ends = [{"x": x, "y": y, "name": name} for name, (_, points) in series.items() for x, y in [max(points)]]
    x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickCount=5, format="~g"), scale=alt.Scale(zero=True, nice=False))
    ends_of_y = alt.Scale(zero=False) if y_ends is None else alt.Scale(domain=list(y_ends), nice=False)
    y = alt.Y("y:Q", title=y_title, scale=ends_of_y, axis=alt.Axis(tickCount=5))
    chart = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y, color=_own_colour(), detail="name:N")
    words = alt.Chart(alt.InlineData(values=ends)).mark_text(align="right", dy=-10, fontSize=FONT, color=INK)
    layers = [
        chart.mark_line(strokeWidth=1.5),
        chart.mark_point(filled=True, size=30, opacity=1),
        words.encode(x=x, y=y, text="name:N"),
        *(_fitted(*fitted, x, y) if fitted[1] else []),
    ]
    return Panel(title, to_svg(alt.layer(*layers).properties(width=WIDTH - 70, height=200)))


def _fitted(name: str, points: Sequence[tuple[float, float]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    import altair as alt

    values = [{"x": at, "y": height, "name": name} for at, height in points]
    line, end = (alt.Chart(alt.InlineData(values=part)).encode(x=x, y=y) for part in (values, values[:1]))
    return [
        line.mark_line(strokeWidth=1.5, strokeDash=[4, 3], color=INK),
        end.mark_point(shape="diamond", size=70, color=INK, filled=False, strokeWidth=1.5, opacity=1),
        end.mark_text(align="left", dx=9, dy=5, fontSize=FONT, color=INK).encode(text="name:N"),
    ]


def span(estimates: Sequence[Estimate], *, include: Sequence[float] = (0.0,)) -> tuple[float, float]:
    """Ends that hold all values and intervals with a little room."""
    ends = [x for e in estimates for x in (e.value, e.low, e.high) if x is not None] + list(include)
    room = (max(ends) - min(ends) or 1.0) * 0.06
    return min(ends) - room, max(ends) + room


def to_svg(chart: alt.LayerChart) -> str:
    """The chart as an SVG element that scales with its column and takes its ink from the page."""
    import vl_convert

    styled = chart.configure(
        font="system-ui, sans-serif",
        aria=False,
        background="transparent",
        padding=1,
        view={"stroke": None},
        axis={
            "grid": False,
            "labelColor": MUTED,
            "labelFontSize": FONT - 2,
            "titleColor": MUTED,
            "titleFontSize": FONT - 2,
            "titleFontWeight": "normal",
            "domainColor": MUTED,
            "tickColor": MUTED,
        },
    )
    return _with_page_ink(vl_convert.vegalite_to_svg(styled.to_json()))


def _base(marks: Sequence[Mark]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=[_row(place, mark) for place, mark in enumerate(marks)])).encode(
        y=alt.Y("row:O", axis=None, scale=alt.Scale(padding=0))
    )


def _row(place: int, mark: Mark) -> dict[str, Any]:
    estimate, naive = mark.estimate, mark.naive or replace(mark.estimate, low=None, high=None)
    return {
        "row": place,
        "label": mark.label,
        "text": mark.text,
        "colour": mark.colour,
        "reference": mark.reference,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "naive_low": naive.low,
        "naive_high": naive.high,
    }


def _x(scale: Scale) -> alt.X:
    import altair as alt

    field = "value:Q" if scale.low == 0 else "low:Q"
    axis = alt.Axis(format=scale.format, tickCount=5)
    return alt.X(
        field, title=scale.title, scale=alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False), axis=axis
    )


def _own_colour() -> alt.Color:
    import altair as alt

    return alt.Color("colour:N", scale=None, legend=None)


def _words(chart: alt.Chart) -> list[alt.Chart]:
    """The label on the left and the number on the right, above each mark."""
    import altair as alt

    common = {"dy": -8, "fontSize": FONT, "baseline": "middle", "color": INK}
    room = alt.ExprRef(f"max(80, {WIDTH - 10} - 7 * length(datum.text))")  # of each row by itself
    left = chart.mark_text(align="left", limit=room, **common).encode(x=alt.value(0), text="label:N")
    right = chart.mark_text(align="right", **common).encode(x=alt.value(WIDTH), text="text:N")
    return [left, right]


def _panel(title: str, layers: list[alt.Chart], rows: int) -> Panel:
    import altair as alt

    return Panel(title, to_svg(alt.layer(*layers).properties(width=WIDTH, height=ROW * rows)))


def _with_page_ink(svg: str) -> str:
    """Placeholders become the page's ink; sizes give way to the column's; what only Vega's script needs is dropped."""
    svg = svg.replace(f'"{INK}"', '"currentColor"')
    svg = svg.replace(f'fill="{MUTED}"', 'fill="currentColor" fill-opacity="0.72"')
    svg = svg.replace(f'stroke="{MUTED}"', 'stroke="currentColor" stroke-opacity="0.55"')
    svg = re.sub(r' (?:class|role|aria-[a-z]+|pointer-events|version|xmlns:xlink)="[^"]*"', "", svg)
    svg = re.sub(r'<path d="[^"]*"( stroke="none")?( display="none")?/>', _drop_invisible, svg)
    return re.sub(r"^<svg ", '<svg aria-hidden="true" focusable="false" ', svg)


def _drop_invisible(found: re.Match[str]) -> str:
    return ""
