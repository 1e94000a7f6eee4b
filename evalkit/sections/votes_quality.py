"""Whether the votes can be trusted: sides, agreement, repeats and golds, who was left out, and time."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Figure, Section
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._flow import fatigue_blocks, flow_table
from evalkit.sections._panel import agreement_rows, consistency_rows, position_rows
from evalkit.sections._raters import exclusion_blocks, gold_rows, rater_blocks
from evalkit.sections._rows import Row, numbers_of, row_table
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import read_votes
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

NO_EFFECT = 0.5
GOLDS = "Share answered as known (golds), by every rater who voted, the excluded ones too."


def section(run: Run) -> Section | None:
    """The quality of the votes; None where nobody was asked."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    if ballots is None:
        return None
    flow = flow_table(run, ballots)
    if ballots.counted.empty:
        return Section("votes_quality", "No vote counts", "There is no vote whose quality could be judged.", (flow,))
    made = (position_rows, agreement_rows, consistency_rows, gold_rows)
    sides, agreement, repeats, golds = (rows(ballots, facts) for rows in made)
    return Section(
        name="votes_quality",
        title=_title(sides),
        conclusion=_conclusion(sides[0], agreement[0]),
        blocks=(
            _sides(sides, facts),
            row_table("Agreement between raters", agreement, facts, "Answers are coded as systems, not sides."),
            *([row_table("The same pair shown twice, sides swapped", repeats, facts)] if repeats else []),
            *([row_table("Pairs with a known answer", golds, facts, GOLDS)] if golds else []),
            flow,
            *exclusion_blocks(run, ballots, facts),
            *fatigue_blocks(ballots, facts),
            *rater_blocks(ballots, facts),
        ),
        numbers=numbers_of([*sides, *agreement, *repeats, *golds]),
    )


def _title(sides: list[Row]) -> str:
    if all(row.estimate.low is None for row in sides):
        return "Whether the side of the screen mattered cannot be judged"
    clear = sum(1 for row in sides if _excludes(row.estimate, NO_EFFECT))
    if clear:
        return f"The side of the screen mattered in {clear} of {_format.plural(len(sides), 'comparison')}"
    return "No effect of the side of the screen was shown"


def _conclusion(side: Row, alpha: Row) -> str:
    """The first question's position effect and agreement."""
    left, agreed = side.estimate, alpha.estimate
    one = f"{_format.share(left)}, {_format.sizes(left)}" if left.value is not None else _format.missing(left)
    two = f"{_format.measure(agreed)}, {_format.sizes(agreed)}" if agreed.value is not None else _format.missing(agreed)
    return f"{side.label}: share that the left image would win between equal systems {one}; Krippendorff's alpha {two}."


def _excludes(estimate: Estimate, null: float) -> bool:
    above, below = estimate.low is not None and estimate.low > null, estimate.high is not None and estimate.high < null
    return above or below


def _sides(sides: list[Row], facts: Facts) -> Block:
    table = row_table("Share that the left image would win", sides, facts, "Between equal systems; no effect is 50 %.")
    drawn = [row for row in sides if row.estimate.value is not None]
    if not drawn:
        return table
    low, high = span([row.estimate for row in drawn], include=(0.35, 0.65))
    scale = Scale(max(0.0, low), min(1.0, high), "share that the left image would win", ".0%")
    marks = [Mark(row.label, _format.share(row.estimate), row.estimate) for row in drawn]
    return Figure(
        name="position",
        title="Left against right",
        subtitle="Share of decisive votes that the left image would win between equal systems, "
        f"{facts.confidence} interval. Thin line: 50 %, no effect.",
        panels=(intervals("", marks, scale, zero=NO_EFFECT),),
        alt=". ".join(f"{row.label}: {_format.share(row.estimate)}" for row in drawn) + ".",
        table=table,
    )
