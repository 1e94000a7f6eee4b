"""From invitation to result: who voted, whose votes count, how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Table
from evalkit.sections._chart import curve
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots
from evalkit.stats.proportion import wilson
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

BINS = 12
SHOWN_RATERS = 40


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
    counted = run.read_json("voting.json").get("raters", {}) if run.has("voting.json") else {}
    for group, who in (("people", "People"), ("simulated", "Simulated raters")):
        for step, n in counted.get(group, {}).items():
            yield who, step, int(n)


def time_blocks(ballots: Ballots) -> list[Block]:
    """Response time by place in the sheet: median and quartiles."""
    timed = ballots.counted[ballots.counted["response_ms"] > 0]
    if timed["position"].nunique() < 2:
        return []
    rows = [_times(part) for _, part in timed.groupby(_binned(timed["position"]))]
    said = " and ".join(
        f"{row['middle']:.1f} s {place} (n = {row['n']:.0f})"
        for row, place in ((rows[0], "at first"), (rows[-1], "at last"))
    )
    return [
        Figure(
            name="response-time",
            title=f"Median response time: {said}",
            subtitle="Median (dot) and quartiles (line) of the response time by place in a rater's sheet.",
            panels=(curve("", rows, "place in the sheet", "seconds"),),
            alt=f"Median response time: {said}.",
            table=_time_table(rows),
        )
    ]


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


def rater_blocks(ballots: Ballots, facts: Facts) -> list[Block]:
    """A row a rater, where there are few: random names, votes, golds."""
    if not 0 < len(ballots.raters) <= SHOWN_RATERS:
        return []
    columns = (
        Column("Rater", align="left"),
        Column("votes", "n"),
        Column("golds answered as known", f"{facts.confidence} interval"),
        Column("excluded because", align="left"),
    )
    golds = ballots.cast[ballots.cast["kind"] == "gold"].groupby("rater").size()
    named = ballots.raters[["rater", "n_votes", "gold_accuracy", "excluded_because"]].to_numpy().tolist()
    rows = tuple(
        (str(code)[:12], _format.count(n), _gold(accuracy, int(golds.get(code, 0)), facts), reason or "–")
        for code, n, accuracy, reason in named
    )
    return [Table("Raters, by random names", columns, rows)]


def _gold(accuracy: float, n: int, facts: Facts) -> str:
    if n == 0 or accuracy != accuracy:  # NaN: no gold was judged
        return "–"
    return _format.share(wilson(round(accuracy * n), n, confidence=facts.study.analysis.confidence), n=True)
