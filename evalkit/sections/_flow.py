"""From invitation to result: who voted, whose votes count, how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Paragraph, Table
from evalkit.sections._chart import curve
from evalkit.sections._study import Facts, read_voting
from evalkit.sections._votes import Ballots
from evalkit.spec.study import TIE
from evalkit.stats.clustered import clustered_share
from evalkit.stats.trend import clustered_slope
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

BINS = 12


def flow_table(run: Run, ballots: Ballots) -> Table:
    """Raters and votes at every step."""
    reasons = ballots.raters["excluded_because"]
    excluded = reasons[reasons != ""].value_counts().sort_index()
    rows = [(f"{who} {step}", _format.count(n)) for who, step, n in _steps(run) if n]
    rows += [
        *((f"Raters left out: {reason}", _format.count(int(n))) for reason, n in excluded.items()),
        ("Raters analysed", _format.count(ballots.counted["rater"].nunique())),
        ("Votes cast", _format.count(len(ballots.cast))),
        *((f"Votes left out: {reason}", _format.count(n)) for reason, n in ballots.left_out.items()),
        ("Votes analysed", _format.count(len(ballots.counted))),
    ]
    return Table("From invitation to result", (Column("Step", align="left"), Column("number")), tuple(rows))


def _steps(run: Run) -> Iterator[tuple[str, str, int]]:
    """People and simulated raters at every step that voting.json counts."""
    counted = read_voting(run).get("raters", {})
    for group, who in (("people", "People"), ("simulated", "Simulated raters")):
        for step, n in counted.get(group, {}).items():
            yield who, step, int(n)


def fatigue_blocks(ballots: Ballots, facts: Facts) -> list[Block]:
    """Response time and share of ties by place in the sheet, and whether ties grow along it."""
    timed = ballots.counted[ballots.counted["response_ms"] > 0]
    if timed["position"].nunique() < 2:
        return []
    rows = [_times(part) for _, part in timed.groupby(_binned(timed["position"]))]
    votes = ballots.counted
    ties = [_ties(part, facts) for _, part in votes.groupby(_binned(votes["position"]))]
    said = " and ".join(
        f"{row['middle']:.1f} s {place} (n = {row['n']:.0f})"
        for row, place in ((rows[0], "at first"), (rows[-1], "at last"))
    )
    trend = _tie_trend(ballots, facts)
    return [
        Figure(
            name="response-time",
            title=f"Median response time: {said}",
            subtitle="Median (dot) and quartiles (line) of the response time, and share of ties (dot) with its "
            f"{facts.confidence} interval, by place in a rater's sheet.",
            panels=(
                curve("Response time", rows, "place in the sheet", "seconds"),
                curve("Ties", ties, "place in the sheet", "share of votes"),
            ),
            alt=f"Median response time: {said}. {trend}",
            table=_time_table(rows),
        ),
        Paragraph(trend),
    ]


def _ties(part: pd.DataFrame, facts: Facts) -> dict[str, float]:
    """Share of ties at some places, with its clustered interval."""
    found = clustered_share(
        (part["choice"] == TIE).to_numpy(),
        part["prompt_code"].to_numpy(),
        part["rater_code"].to_numpy(),
        confidence=facts.study.analysis.confidence,
    )
    value = found.value or 0.0
    first, last = int(part["position"].min()) + 1, int(part["position"].max()) + 1
    low, high = (value if bound is None else bound for bound in (found.low, found.high))
    return {"x": (first + last) / 2, "low": low, "middle": value, "high": high}


def _tie_trend(ballots: Ballots, facts: Facts) -> str:
    votes = ballots.counted
    found = clustered_slope(
        (votes["choice"] == TIE).to_numpy(),
        votes["position"].to_numpy() / 10,
        votes["prompt_code"].to_numpy(),
        votes["rater_code"].to_numpy(),
        confidence=facts.study.analysis.confidence,
    )
    if found.test.p is None:
        return f"Whether ties grow along the sheet cannot be judged: {found.slope.note}."
    grows = "Ties change along the sheet" if found.test.p < 0.05 else "No change of ties along the sheet was shown"
    return (
        f"{grows}: {_format.points(found.slope)} per ten comparisons, {_format.p_text(found.test.p)}, "
        f"{_format.sizes(found.slope)} (exploratory)."
    )


def _time_table(rows: list[dict[str, float]]) -> Table:
    quartiles = (Column(title, "s") for title in ("lower quartile", "median", "upper quartile"))
    columns = (Column("Place in the sheet", align="left"), Column("votes", "n"), *quartiles)
    cells = (
        (
            f"{row['first']:.0f} to {row['last']:.0f}",
            _format.count(int(row["n"])),
            *(f"{row[key]:.1f}" for key in ("low", "middle", "high")),
        )
        for row in rows
    )
    return Table("Response time by place in the sheet", columns, tuple(cells))


def _binned(position: pd.Series[int]) -> pd.Series[int]:
    """Places in at most BINS groups of equal width."""
    width = -(-int(position.max() - position.min() + 1) // BINS)
    return (position - position.min()) // width


def _times(part: pd.DataFrame) -> dict[str, float]:
    low, middle, high = (float(part["response_ms"].quantile(q)) / 1000 for q in (0.25, 0.5, 0.75))
    first, last = int(part["position"].min()) + 1, int(part["position"].max()) + 1
    place = {"x": (first + last) / 2, "first": first, "last": last}
    return {**place, "n": len(part), "low": low, "middle": middle, "high": high}
