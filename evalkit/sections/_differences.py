"""Two systems scored on the same prompts: a panel a metric, since each has its own scale, and the table."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Panel, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._scores import Comparison, Scores
from evalkit.sections._study import Facts


def difference_block(scores: Scores, title: str, facts: Facts) -> list[Block]:
    """The paired differences; only those with a value are drawn."""
    found = scores.comparisons
    if not found:
        return []
    drawn = [c for c in found if c.estimate.value is not None]
    kinds = list(dict.fromkeys((c.metric, c.signature) for c in drawn))
    if not kinds:
        return [_table(scores, facts)]
    spoken = (f"{c.metric}, {_names(c, facts)}: {_format.measure(c.estimate, signed=True)}." for c in drawn)
    return [
        Figure(
            name="metric-differences",
            title=title,
            subtitle=f"{_what(facts)} on the same prompts, {facts.confidence} interval. Thin line: no difference. "
            "Each metric has its own scale; an arrow points to better.",
            panels=tuple(
                _panel(metric, [c for c in drawn if (c.metric, c.signature) == (metric, signature)], scores, facts)
                for metric, signature in kinds
            ),
            alt=" ".join(spoken),
            table=_table(scores, facts),
            open=True,
        )
    ]


def _what(facts: Facts) -> str:
    if len(facts.pairs) > 1:
        return "Difference of the systems"
    first, second = facts.pairs[0]
    return f"{facts.label(first)} minus {facts.label(second)}"


def _panel(metric: str, found: list[Comparison], scores: Scores, facts: Facts) -> Panel:
    marks = [
        Mark(
            _names(c, facts) if len(facts.pairs) > 1 else "difference",
            _format.measure(c.estimate, signed=True),
            c.estimate,
        )
        for c in found
    ]
    low, high = span([c.estimate for c in found])
    return intervals(scores.headed(metric), marks, Scale(low, high, scores.unit(metric), "+~g"))


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
    note = _format.notes([c.estimate for c in scores.comparisons])
    return Table("Systems compared on the same prompts", columns, rows, note)


def _names(comparison: Comparison, facts: Facts) -> str:
    return f"{facts.label(comparison.first)} − {facts.label(comparison.second)}"
