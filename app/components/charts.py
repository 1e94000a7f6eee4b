"""Charts of the researcher's app. People in blue, programs in grey; no chart knows an arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from evalkit.voting.enough import Enough
from evalkit.voting.monitor import ComparisonProgress, RaterProgress

WHO = alt.Scale(domain=["person", "simulated"], range=["#0072B2", "#767676"])
ROW = 20
"""Pixels a row."""
INK = "#3d3d3d"
STYLE = {"labelOverlap": False, "labelFontSize": 12, "labelColor": INK, "ticks": False, "domain": False}
LABELS = alt.Axis(**STYLE, labelFlush=False, labelBound=False)


def progress_by_rater(raters: Sequence[RaterProgress]) -> alt.LayerChart:
    """A bar a rater: finished comparisons, of those on the sheet."""
    table = _table(raters)
    rows = _rows(table.sort_values(["done", "total"], ascending=False))
    base = alt.Chart(table, height=alt.Step(ROW))
    whole = base.mark_bar(color="#e4e4e4").encode(
        y=rows, x=alt.X("total:Q", title="comparisons", axis=alt.Axis(tickMinStep=1, grid=False))
    )
    done = base.mark_bar().encode(y=rows, x="done:Q", color=_who(table))
    said = base.mark_text(align="left", dx=4, fontSize=12).encode(y=rows, x="total:Q", text="label:N")
    return alt.layer(whole, done, said)


def progress_by_comparison(comparisons: Sequence[ComparisonProgress]) -> alt.LayerChart:
    """A tile a comparison: how many of the planned answers it has; the number is in the tile."""
    rows, numbers = [], dict[str, int]()
    for item in comparisons:
        numbers[item.prompt_key] = numbers.get(item.prompt_key, 0) + 1
        share = item.finished / item.planned if item.planned else 0.0
        label = f"{item.finished}/{item.planned}"
        rows.append({"prompt": item.prompt_key, "pair": numbers[item.prompt_key], "share": share, "label": label})
    base = alt.Chart(pd.DataFrame(rows, columns=["prompt", "pair", "share", "label"]), height=alt.Step(ROW)).encode(
        x=alt.X("pair:O", title="pair of images", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("prompt:N", title=None, axis=LABELS),
    )
    shade = alt.Scale(domain=[0, 1], range=["#f2f2f2", "#0072B2"])
    tiles = base.mark_rect(stroke="white").encode(color=alt.Color("share:Q", scale=shade, legend=None))
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("black"))
    return alt.layer(tiles, base.mark_text().encode(text="label:N", color=ink))


def speed(raters: Sequence[RaterProgress]) -> alt.LayerChart:
    """A dot a rater: median seconds from the reveal to the answer; the line is one second."""
    table = _table(raters).dropna(subset=["seconds"])
    rows = _rows(table.sort_values("seconds"))
    scale = alt.Scale(type="symlog", domainMin=0)
    dots = alt.Chart(table, height=alt.Step(ROW)).mark_circle(size=70, opacity=1, aria=False)
    where = alt.X("seconds:Q", scale=scale, title="median seconds to an answer", axis=alt.Axis(tickCount=5, grid=False))
    return alt.layer(_line("seconds", 1), dots.encode(y=rows, x=where, color=_who(table)))


def sides(raters: Sequence[RaterProgress]) -> alt.LayerChart:
    """A dot a rater: share of the left side among the votes for a side; the line is one half."""
    table = _table(raters).dropna(subset=["left_share"])
    rows = _rows(table.sort_values("left_share"))
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], grid=False)
    where = alt.X("left_share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title="left among the votes for a side")
    dots = alt.Chart(table, height=alt.Step(ROW)).mark_circle(size=70, opacity=1, aria=False)
    said = alt.Chart(table).mark_text(align="left", dx=8).encode(y=rows, x=where, text="n:N")
    return alt.layer(_line("left_share", 0.5), dots.encode(y=rows, x=where, color=_who(table)), said)


def shares(raters: Sequence[RaterProgress], good: str, of: str, title: str) -> alt.LayerChart:
    """A dot a rater: the share of checks that went well, with its number."""
    rows = [
        {
            "rater": one.code,
            "who": "simulated" if one.simulated else "person",
            "share": getattr(one.conduct, good) / getattr(one.conduct, of),
            "n": f"n = {getattr(one.conduct, of)}",
        }
        for one in raters
        if getattr(one.conduct, of)
    ]
    table = pd.DataFrame(rows)
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], grid=False)
    where = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title=title)
    base = alt.Chart(table, height=alt.Step(ROW)).encode(y=_rows(table.sort_values("share")), x=where)
    dots = base.mark_circle(size=70, opacity=1, aria=False).encode(color=_who(table))
    return alt.layer(dots, base.mark_text(align="left", dx=8).encode(text="n:N"))


def precision(rule: Enough) -> alt.LayerChart:
    """Half the width of the interval at each look; the line is what was planned. No sign, no arm."""
    seen = [look for look in rule.looks if look.half_width is not None]
    table = pd.DataFrame({"sheets": [look.sheets for look in seen], "width": [look.half_width for look in seen]})
    base = alt.Chart(table, height=180).encode(
        x=alt.X("sheets:Q", title="complete sheets", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y("width:Q", title="half-width of the interval", scale=alt.Scale(domainMin=0)),
    )
    planned = (
        alt.Chart(pd.DataFrame({"width": [rule.planned_half_width]})).mark_rule(color="#767676").encode(y="width:Q")
    )
    said = base.mark_text(dy=-12).encode(text=alt.Text("width:Q", format=".2f"))
    return alt.layer(planned, base.mark_line(color="#0072B2", point=True), said)


def answers(given: Sequence[tuple[str, int]], most: int) -> alt.LayerChart:
    """How many raters gave each answer to one optional question; `most`: where the scale ends."""
    table = pd.DataFrame(given, columns=["answer", "raters"])
    axis = alt.Axis(**STYLE, minExtent=130)  # so that the charts of all questions stand in line
    where = alt.X("raters:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most]))
    base = alt.Chart(table, height=alt.Step(ROW)).encode(x=where, y=alt.Y("answer:N", title=None, axis=axis, sort="-x"))
    said = base.mark_text(align="left", dx=4, fontSize=12).encode(text="raters:Q")
    return alt.layer(base.mark_bar(color="#0072B2"), said)


def _rows(ordered: pd.DataFrame) -> alt.Y:
    return alt.Y("rater:N", sort=list(ordered["rater"]), title=None, axis=LABELS)


def _line(field: str, value: float) -> alt.Chart:
    return alt.Chart(pd.DataFrame({field: [value]})).mark_rule(color="#767676").encode(x=f"{field}:Q")


def _who(table: pd.DataFrame) -> Any:
    legend = alt.Legend(title=None, orient="top") if table["who"].nunique() > 1 else None
    return alt.Color("who:N", scale=WHO, legend=legend)


def _table(raters: Sequence[RaterProgress]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rater": rater.code,
            "who": "simulated" if rater.simulated else "person",
            "done": rater.done,
            "total": rater.total,
            "label": f"{rater.done} of {rater.total}, {rater.state}",
            "seconds": None if rater.handling.median_ms is None else rater.handling.median_ms / 1000,
            "left_share": rater.handling.left_share.value,
            "n": f"n = {rater.handling.left_share.n}",
        }
        for rater in raters
    ).astype({"seconds": "float64", "left_share": "float64"})
