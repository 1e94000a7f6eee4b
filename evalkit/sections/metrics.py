"""Automatic metrics: values with intervals and signatures, and the systems compared prompt by prompt."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Number, Section, Table
from evalkit.sections._differences import difference_block
from evalkit.sections._lottery import lottery_rows, lottery_table
from evalkit.sections._rows import numbers_of
from evalkit.sections._scores import Comparison, Scores, Value, read_scores
from evalkit.sections._study import Facts, read_facts
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run


def section(run: Run) -> Section | None:
    """The metrics; None where nothing was scored."""
    facts = read_facts(run)
    scores = read_scores(run)
    if scores is None:
        return None
    if not scores.values:
        return Section("metrics", "No metric has a value", "Nothing was scored, so there is no number.")
    lottery = lottery_rows(run, scores, facts)
    return Section(
        name="metrics",
        title=_title(scores.comparisons, facts),
        conclusion=_conclusion(scores, facts),
        blocks=(
            _value_table(scores, facts),
            *difference_block(scores, _title(scores.comparisons, facts), facts),
            *([lottery_table(lottery, facts)] if lottery else []),
            *_slice_tables(scores, facts),
            _reading(scores),
            _signatures(scores),
        ),
        numbers=_numbers(scores) | numbers_of(lottery),
    )


def _title(found: list[Comparison], facts: Facts) -> str:
    tested = [c for c in found if c.holm_p is not None]
    if not tested:
        return "Values, and no comparison that could be tested"
    clear = [c for c in tested if (c.holm_p or 0.0) < 1 - facts.study.analysis.confidence]
    if not clear:
        return f"No difference shown by {_format.plural(len(tested), 'comparison')}"
    metrics = list(dict.fromkeys(c.metric for c in clear))
    return f"{len(clear)} of {_format.plural(len(tested), 'comparison')} shows a difference: {_format.listed(metrics)}"


def _conclusion(scores: Scores, facts: Facts) -> str:
    tested = [c for c in scores.comparisons if c.estimate.value is not None]
    if not tested:
        metrics = _format.plural(len({value.metric for value in scores.values}), "metric")
        return f"{metrics} computed; no two systems could be compared on the same prompts."
    first, family = tested[0], sum(c.holm_p is not None for c in scores.comparisons)
    counted = "image" if scores.infos.get(first.metric, {}).get("level") == "set" else "prompt"
    return (
        f"{first.metric}: {facts.label(first.first)} minus {facts.label(first.second)} is "
        f"{_format.measure(first.estimate, signed=True)}, n = {_format.plural(first.estimate.n, counted)}, "
        f"{_format.p_text(first.holm_p)} (Holm over {family})."
    )


def _value_table(scores: Scores, facts: Facts) -> Table:
    """One column a signature: values made in different ways never stand in one column."""
    overall = [value for value in scores.values if value.overall]
    columns, rows = [Column("System", align="left")], [[facts.label(system)] for system in facts.systems]
    for metric, signature in dict.fromkeys((value.metric, value.signature) for value in overall):
        group = f"{scores.headed(metric)} [{scores.signatures.index(signature) + 1}]"
        columns += [Column("value", f"{facts.confidence} interval", group=group), Column("images", "n", group=group)]
        mine = {v.system: v.estimate for v in overall if (v.metric, v.signature) == (metric, signature)}
        for row, system in zip(rows, facts.systems, strict=True):
            row += _cells(mine.get(system))
    note = "Numbers in brackets are signatures, listed below. " + _format.notes([value.estimate for value in overall])
    return Table("Values over all prompts", tuple(columns), tuple(map(tuple, rows)), note.strip())


def _slice_tables(scores: Scores, facts: Facts) -> list[Block]:
    """A table a metric: slices down, systems across, a column of its own for every signature."""
    parts = [value for value in scores.values if not value.overall]
    return [
        _slice_table(metric, [v for v in parts if v.metric == metric], scores, facts)
        for metric in dict.fromkeys(value.metric for value in parts)
    ]


def _slice_table(metric: str, values: list[Value], scores: Scores, facts: Facts) -> Table:
    columns, rows = [Column("Prompts", align="left")], [[part] for part in dict.fromkeys(v.part for v in values)]
    for system, signature in dict.fromkeys((value.system, value.signature) for value in values):
        group = f"{facts.label(system)} [{scores.signatures.index(signature) + 1}]"
        columns += [Column("value", f"{facts.confidence} interval", group=group), Column("images", "n", group=group)]
        mine = {v.part: v.estimate for v in values if (v.system, v.signature) == (system, signature)}
        for row in rows:
            row += _cells(mine.get(row[0]))
    note = "Exploratory. " + _format.notes([value.estimate for value in values])
    return Table(f"{scores.headed(metric)} by kind of prompt", tuple(columns), tuple(map(tuple, rows)), note.strip())


def _cells(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return ["–", "–"]
    return [_format.measure(estimate) if estimate.value is not None else "no value", _format.count(estimate.n)]


def _reading(scores: Scores) -> Table:
    columns = tuple(Column(title, align="left") for title in ("Metric", "How to read it", "Better", "Unit", "Source"))
    keys = (("reads", "description"), ("direction",), ("unit",), ("citation",))
    rows = tuple(
        (name, *(next((str(info[key]) for key in choice if info.get(key)), "–") for choice in keys))
        for name, info in scores.infos.items()
    )
    return Table("How to read the metrics", columns, rows)


def _signatures(scores: Scores) -> Table:
    rows = tuple((f"[{place}]", signature) for place, signature in enumerate(scores.signatures, start=1))
    return Table("Signatures", (Column("Number", align="left"), Column("How the value was made", align="left")), rows)


def _numbers(scores: Scores) -> dict[str, Number]:
    numbers: dict[str, Number] = {f"{v.metric}/{v.system}/{v.part}": v.estimate for v in scores.values}
    return numbers | {f"{c.metric}/{c.first}-{c.second}": c.estimate for c in scores.comparisons}
