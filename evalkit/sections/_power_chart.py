"""The picture of a plan: power against prompts, a line for each number of raters, at the same number of votes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from evalkit.sections._chart import FONT, INK, MUTED, WIDTH, to_svg
from evalkit.stats.planning import DesignPower

COLOURS = ("#56B4E9", "#0072B2", "#009E73", "#D55E00")
"""Of Okabe and Ito (2008), from few raters to many."""
LABEL = 0.055  # the height of a label on the axis of power


def power_svg(designs: Sequence[DesignPower], wanted: float) -> str:
    """An SVG document: dots on their Monte-Carlo intervals, lines labelled at their ends, the wanted power dashed."""
    import altair as alt

    rows = _rows(designs)
    chart = alt.Chart(alt.InlineData(values=rows))
    prompts = sorted({one.design.prompts for one in designs})
    scale = alt.Scale(type="log", domain=[prompts[0] * 0.9, prompts[-1] * 2.2], nice=False)
    x = alt.X("prompts:Q", title="prompts, about as many votes each time", scale=scale, axis=alt.Axis(values=prompts))
    y = alt.Y("power:Q", title="power", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=6))
    colour = alt.Color("colour:N", scale=None, legend=None)
    ends = chart.transform_filter("datum.last")
    rule = alt.Chart(alt.InlineData(values=[{"wanted": wanted}]))
    layers = [
        rule.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(y="wanted:Q"),
        chart.mark_rule(strokeWidth=1.2).encode(x=x, y="low:Q", y2="high:Q", color=colour),
        chart.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour, detail="raters:N"),
        chart.mark_point(filled=True, size=36, opacity=1).encode(x=x, y=y, color=colour),
        ends.mark_text(align="left", dx=8, fontSize=FONT - 2, color=INK).encode(
            x=x, y=alt.Y("label_at:Q"), text="label:N"
        ),
    ]
    svg = to_svg(alt.layer(*layers).properties(width=WIDTH, height=260))
    title = "Power against the number of prompts, one line for each number of raters, at about the same number of votes"
    return re.sub(r"^<svg [^>]*?(?=xmlns=)([^>]*>)", rf'<svg role="img" \1<title>{title}</title>', svg)


def _rows(designs: Sequence[DesignPower]) -> list[dict[str, Any]]:
    """One a design; those without power (too few prompts) are no dots."""
    known = [one for one in designs if one.power.value is not None]
    raters = sorted({one.design.raters for one in known})
    most = max((one.design.prompts for one in known), default=0)
    at = _apart({one.design.raters: one.power.value or 0.0 for one in known if one.design.prompts == most})
    return [
        {
            "prompts": one.design.prompts,
            "raters": one.design.raters,
            "power": one.power.value,
            "low": one.power.low,
            "high": one.power.high,
            "colour": COLOURS[min(raters.index(one.design.raters), len(COLOURS) - 1)],
            "label": f"{one.design.raters} raters",
            "label_at": at[one.design.raters],
            "last": one.design.prompts == most,
        }
        for one in known
    ]


def _apart(ends: dict[int, float]) -> dict[int, float]:
    """Where the labels of lines stand: at the lines' ends, moved down until none covers another."""
    free = 1.0
    places: dict[int, float] = {}
    for raters, power in sorted(ends.items(), key=lambda end: -end[1]):
        places[raters] = min(power, free)
        free = places[raters] - LABEL
    return places
