"""Whether the votes can be trusted: sides, agreement, repeats and golds, who was left out, and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Section, Table
from evalkit.sections._chart import INK, Mark, Scale, curve, intervals, span
from evalkit.sections._panel import agreement_rows, consistency_rows, position_rows
from evalkit.sections._rows import Row, numbers_of, row_table
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, read_votes
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

BINS = 12
SHOWN_RATERS = 40


def section(run: Run) -> Section | None:
    """The quality of the votes; None where nobody was asked."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    if ballots is None:
        return None
    flow = _flow(run, ballots)
    if ballots.counted.empty:
        return Section("votes_quality", "No vote counts", "There is no vote whose quality could be judged.", (flow,))
    sides = position_rows(ballots, facts)
    agreement = agreement_rows(ballots, facts)
    consistency = consistency_rows(ballots, facts)
    return Section(
        name="votes_quality",
        title=_title(sides),
        conclusion=_conclusion(sides, agreement),
        blocks=(
            *_sides(sides, facts),
            row_table("Agreement between raters", agreement, facts, "Answers are coded as systems, not sides."),
            *([row_table("The same pair twice, sides swapped", consistency, facts)] if consistency else []),
            flow,
            *_times(ballots),
            *_raters(ballots, facts),
        ),
        numbers=_numbers([*sides, *agreement, *consistency]),
    )


def _title(sides: list[Row]) -> str:
    clear = [row for row in sides if _excludes(row.estimate, 0.5)]
    if clear:
        return f"The side of the screen mattered in {len(clear)} of {len(sides)} comparisons"
    if all(row.estimate.low is None for row in sides):
        return "An effect of the side of the screen cannot be judged"
    return "No effect of the side of the screen was shown"


def _conclusion(sides: list[Row], agreement: list[Row]) -> str:
    said = [
        f"{row.label}: the left image wins {_format.share(row.estimate, n=True)} between equal systems"
        for row in sides[:1]
    ]
    alpha = next((row for row in agreement if "alpha" in row.label.lower()), None)
    if alpha:
        said.append(
            f"raters agree with {alpha.label[:1].lower()}{alpha.label[1:]} {_format.measure(alpha.estimate)}, "
            f"{_format.sizes(alpha.estimate)}"
        )
    return "; ".join(said) + "."


def _excludes(estimate: Estimate, null: float) -> bool:
    return bool(
        (estimate.low is not None and estimate.low > null) or (estimate.high is not None and estimate.high < null)
    )


def _sides(sides: list[Row], facts: Facts) -> list[Block]:
    table = row_table(
        "Share won by the left image", sides, facts, "Between equal systems; 50 % is no effect of the side."
    )
    drawn = [row for row in sides if row.estimate.value is not None]
    if not drawn:
        return [table]
    low, high = span([row.estimate for row in drawn], include=(0.4, 0.6))
    scale = Scale(max(0.0, low), min(1.0, high), "share won by the left image", ".0%")
    marks = [Mark(row.label, _format.share(row.estimate), row.estimate, INK) for row in drawn]
    return [
        Figure(
            name="position",
            title=_title(sides),
            subtitle=f"Share of decisive votes that the left image would win between equal systems, {facts.confidence} "
            "interval; thin line: 50 %, no effect.",
            panels=(intervals("", marks, scale, zero=0.5),),
            alt=". ".join(f"{row.label}: {_format.share(row.estimate)}" for row in drawn) + ".",
            table=table,
        )
    ]


def _flow(run: Run, ballots: Ballots) -> Table:
    """From those who were invited to those whose votes count."""
    invited = run.read_json("voting.json").get("invited") if run.has("voting.json") else None
    raters, excluded = ballots.raters, ballots.raters["excluded_because"] != ""
    rows = [("Raters invited", _format.count(invited))] if isinstance(invited, int) else []
    rows += [
        ("Raters known to the study", _format.count(len(raters))),
        ("Raters who voted", _format.count(ballots.cast["rater"].nunique())),
        *(
            (f"Raters excluded: {reason}", _format.count(int(n)))
            for reason, n in raters.loc[excluded, "excluded_because"].value_counts(sort=False).sort_index().items()
        ),
        ("Raters analysed", _format.count(ballots.counted["rater"].nunique())),
        ("Votes cast", _format.count(len(ballots.cast))),
        *((f"Votes left out: {reason}", _format.count(n)) for reason, n in ballots.left_out.items()),
        ("Votes analysed", _format.count(len(ballots.counted))),
    ]
    return Table("From invitation to result", (Column("", align="left"), Column("number")), tuple(rows))


def _times(ballots: Ballots) -> list[Block]:
    timed = ballots.counted[ballots.counted["response_ms"] > 0]
    if timed["position"].nunique() < 2:
        return []
    rows = [_time_row(group, part) for group, part in timed.groupby(_binned(timed["position"]))]
    table = Table(
        "Response time by place in the sheet",
        (
            Column("Place", align="left"),
            Column("votes", "n"),
            Column("lower quartile", "s"),
            Column("median", "s"),
            Column("upper quartile", "s"),
        ),
        tuple(
            (
                f"{r['first']:.0f} to {r['last']:.0f}",
                _format.count(int(r["n"])),
                f"{r['low']:.1f}",
                f"{r['middle']:.1f}",
                f"{r['high']:.1f}",
            )
            for r in rows
        ),
    )
    first, last = rows[0], rows[-1]
    said = f"from {first['middle']:.1f} s (n = {first['n']:.0f}) at the start to {last['middle']:.1f} s (n = {last['n']:.0f}) at the end"
    return [
        Figure(
            name="response-time",
            title=f"The median response time goes {said}",
            subtitle="Median of the response time (dot) and its quartiles (line) by place in a rater's sheet.",
            panels=(curve("", rows, "place in the sheet", "seconds"),),
            alt=f"Median response time goes {said}.",
            table=table,
        )
    ]


def _binned(position: pd.Series[int]) -> pd.Series[int]:
    """Places in at most BINS groups of equal width."""
    width = -(-int(position.max() - position.min() + 1) // BINS)
    return (position - position.min()) // width


def _time_row(group: object, part: pd.DataFrame) -> dict[str, float]:
    low, middle, high = (float(part["response_ms"].quantile(q)) / 1000 for q in (0.25, 0.5, 0.75))
    first, last = int(part["position"].min()) + 1, int(part["position"].max()) + 1
    return {
        "x": (first + last) / 2,
        "first": first,
        "last": last,
        "n": len(part),
        "low": low,
        "middle": middle,
        "high": high,
    }


def _raters(ballots: Ballots, facts: Facts) -> list[Block]:
    """A row a rater, where there are few: random names, votes, golds, repeats."""
    if not 0 < len(ballots.raters) <= SHOWN_RATERS:
        return []
    columns = (
        Column("Rater", align="left"),
        Column("votes"),
        Column("golds answered as known", f"{facts.confidence} interval"),
        Column("excluded because", align="left"),
    )
    golds = ballots.cast[ballots.cast["kind"] == "gold"].groupby("rater").size()
    rows = tuple(
        (
            str(r.rater)[:12],
            _format.count(int(r.n_votes)),
            _gold(float(r.gold_accuracy), int(golds.get(r.rater, 0)), facts),
            str(r.excluded_because) or "–",
        )
        for r in ballots.raters.itertuples()
    )
    return [Table("Raters, by a random name", columns, rows)]


def _gold(accuracy: float, n: int, facts: Facts) -> str:
    if n == 0 or accuracy != accuracy:
        return "–"
    return _format.share(wilson(round(accuracy * n), n, confidence=facts.study.analysis.confidence), n=True)


def _numbers(rows: list[Row]) -> dict[str, Number]:
    return numbers_of(rows)
