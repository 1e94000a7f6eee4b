"""Two systems scored on the same prompts: one forest plot on a common scale, and the table on each metric's own."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from scipy import stats

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._scores import Comparison, Scores
from evalkit.sections._study import Facts
from evalkit.stats.estimate import Estimate

SCALE_NOTE = (
    "On the plot, differences are divided by the standard deviation that their intervals imply (Cohen's d of pairs)."
)


def difference_block(scores: Scores, title: str, facts: Facts) -> list[Block]:
    """The paired differences; only those with an interval are drawn."""
    if not scores.comparisons:
        return []
    drawn = [(c, common) for c in scores.comparisons if (common := standardised(c, scores, facts)) is not None]
    if not drawn:
        return [_table(scores, facts)]
    marks = [_mark(c, common, scores, facts) for c, common in drawn]
    low, high = span([mark.estimate for mark in marks])
    scale = Scale(low, high, "standard deviations between prompts", "+~g")
    return [
        Figure(
            name="metric-differences",
            title=title,
            subtitle=f"{_what(facts)} on the same prompts, {facts.confidence} interval, in standard deviations between "
            f"prompts; right of the line is better for {_first(facts)}. Numbers: each metric's own unit.",
            panels=(intervals("", marks, scale),),
            alt=" ".join(
                f"{c.metric}, {_names(c, facts)}: {_format.measure(c.estimate, signed=True)}." for c, _ in drawn
            ),
            table=_table(scores, facts),
            open=True,
        )
    ]


def standardised(comparison: Comparison, scores: Scores, facts: Facts) -> Estimate | None:
    """The difference over the standard deviation between prompts, better to the right; None without an interval.

    The deviation is read off the t interval: half-width = t * deviation / sqrt(prompts). So metrics of sets, whose
    intervals come from a jackknife over prompts, stand on the same scale.
    """
    e = comparison.estimate
    if e.value is None or e.low is None or e.high is None or e.high <= e.low or e.n < 2:
        return None
    t = float(stats.t.isf((1 - facts.study.analysis.confidence) / 2, e.n - 1))
    deviation = (e.high - e.low) / 2 / t * sqrt(e.n)
    sign = -1.0 if scores.lower_is_better(comparison.metric) else 1.0
    ends = sorted((sign * e.low / deviation, sign * e.high / deviation))
    return replace(e, value=sign * e.value / deviation, low=ends[0], high=ends[1])


def _mark(comparison: Comparison, common: Estimate, scores: Scores, facts: Facts) -> Mark:
    name = scores.headed(comparison.metric)
    label = f"{name}, {_names(comparison, facts)}" if len(facts.pairs) > 1 else name
    return Mark(label, _format.measure(comparison.estimate, signed=True), common)


def _what(facts: Facts) -> str:
    if len(facts.pairs) > 1:
        return "Difference of the systems"
    first, second = facts.pairs[0]
    return f"{facts.label(first)} minus {facts.label(second)}"


def _first(facts: Facts) -> str:
    return facts.label(facts.pairs[0][0]) if len(facts.pairs) == 1 else "the first one"


def _table(scores: Scores, facts: Facts) -> Table:
    columns = (
        Column("Metric", align="left"),
        Column("Difference", align="left"),
        Column("value", f"{facts.confidence} interval"),
        Column("prompts", "n"),
        Column("difference", "p"),
        Column("Holm", "p"),
        Column("method", align="left"),
    )
    rows = tuple(
        (
            scores.headed(c.metric),
            _names(c, facts),
            _format.measure(c.estimate, signed=True) if c.estimate.value is not None else "no value",
            _format.count(c.estimate.n),
            _format.p_value(c.p),
            _format.p_value(c.holm_p),
            c.estimate.method,
        )
        for c in scores.comparisons
    )
    note = f"{_format.notes([c.estimate for c in scores.comparisons])} {SCALE_NOTE}".strip()
    return Table("Systems compared on the same prompts", columns, rows, note)


def _names(comparison: Comparison, facts: Facts) -> str:
    return f"{facts.label(comparison.first)} − {facts.label(comparison.second)}"
