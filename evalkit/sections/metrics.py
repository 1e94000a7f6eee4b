"""Automatic metrics: values with intervals and signatures, and the systems compared prompt by prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Section, Table
from evalkit.sections._chart import INK, Mark, Scale, intervals, span
from evalkit.sections._study import Facts, read_facts
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

OVERALL = ("", "all", "overall")


@dataclass(frozen=True)
class Value:
    """One value of metrics.json: of one system, on one slice of the prompts, under one signature."""

    metric: str
    system: str
    part: str
    signature: str
    estimate: Estimate


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same prompts under one signature."""

    metric: str
    first: str
    second: str
    signature: str
    estimate: Estimate
    p: float | None
    holm_p: float | None


def section(run: Run) -> Section | None:
    """The metrics; None where nothing was scored."""
    if not run.has("metrics.json"):
        return None
    facts, record = read_facts(run), run.read_json("metrics.json")
    infos: Mapping[str, Any] = record["metrics"]
    values = [_value(item) for item in record["values"] if item["system"] in facts.systems]
    found = [_comparison(item) for item in record["comparisons"]]
    if not values:
        return Section("metrics", "No metric has a value", "Nothing was scored, so there is no number.")
    overall = [value for value in values if value.part in OVERALL]
    return Section(
        name="metrics",
        title=_title(found, facts),
        conclusion=_conclusion(found, overall, facts),
        blocks=(
            _value_table(overall, infos, facts),
            *_differences(found, infos, facts),
            *_slices([value for value in values if value.part not in OVERALL], facts),
            _reading(infos),
            _signatures(values),
        ),
        numbers=_numbers(values, found),
    )


def _value(item: Mapping[str, Any]) -> Value:
    lang = "" if item["lang"] in ("", "all", None) or item["slice"] not in OVERALL else item["lang"]
    part = item["slice"] if item["slice"] not in OVERALL else "all"
    return Value(
        item["metric"], item["system"], part if part != "all" or not lang else part, item["signature"], _estimate(item)
    )


def _comparison(item: Mapping[str, Any]) -> Comparison:
    names = item["metric"], item["system_a"], item["system_b"], item["signature"]
    return Comparison(*names, _estimate(item), item["p"], item["p_holm"])


def _estimate(item: Mapping[str, Any]) -> Estimate:
    note = item.get("note") or None
    return Estimate(item["value"], item["low"], item["high"], item["n"], item["method"], note=note)


def _title(found: list[Comparison], facts: Facts) -> str:
    clear = [c for c in found if c.holm_p is not None and c.holm_p < 1 - facts.study.analysis.confidence]
    if not found:
        return "Values without a comparison"
    return f"{len(clear)} of {_format.plural(len(found), 'comparison')} by metric show a difference"


def _conclusion(found: list[Comparison], overall: list[Value], facts: Facts) -> str:
    tested = [c for c in found if c.estimate.value is not None]
    if tested:
        first = tested[0]
        return (
            f"{first.metric}: {facts.label(first.first)} minus {facts.label(first.second)} is "
            f"{_format.measure(first.estimate, signed=True)}, n = {_format.plural(first.estimate.n, 'prompt')}, "
            f"{_format.p_text(first.holm_p)} (Holm over {len(found)})."
        )
    systems = _format.plural(len({value.system for value in overall}), "system")
    return f"{_format.plural(len({value.metric for value in overall}), 'metric')} on {systems}; no paired comparison was possible."


def _value_table(overall: list[Value], infos: Mapping[str, Any], facts: Facts) -> Table:
    """One column a signature: values made in different ways never stand in one column."""
    heads = list(dict.fromkeys((value.metric, value.signature) for value in overall))
    columns, rows = [Column("System", align="left")], [[facts.label(system)] for system in facts.systems]
    for place, (metric, signature) in enumerate(heads, start=1):
        columns += [
            Column(_headed(metric, infos), f"{facts.confidence} interval", group=f"[{place}]"),
            Column("images", "n", group=f"[{place}]"),
        ]
        mine = {
            value.system: value.estimate for value in overall if (value.metric, value.signature) == (metric, signature)
        }
        for row, system in zip(rows, facts.systems, strict=True):
            estimate = mine.get(system)
            row += [_written(estimate), _format.count(estimate.n) if estimate else "–"]
    note = "Numbers in brackets are signatures, listed below. " + _format.notes([value.estimate for value in overall])
    return Table("Values", tuple(columns), tuple(map(tuple, rows)), note.strip())


def _headed(metric: str, infos: Mapping[str, Any]) -> str:
    direction = {"higher": " ↑", "lower": " ↓"}.get(str(infos.get(metric, {}).get("direction", "")), "")
    return f"{metric}{direction}"


def _written(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return _format.measure(estimate) if estimate.value is not None else "no value"


def _differences(found: list[Comparison], infos: Mapping[str, Any], facts: Facts) -> list[Block]:
    if not found:
        return []
    columns = (
        Column("Metric", align="left"),
        Column("Difference", align="left"),
        Column("value", f"{facts.confidence} interval"),
        Column("prompts", "n"),
        Column("p"),
        Column("Holm", "p"),
        Column("method", align="left"),
    )
    rows = tuple(
        (
            _headed(c.metric, infos),
            f"{facts.label(c.first)} − {facts.label(c.second)}",
            _format.measure(c.estimate, signed=True) if c.estimate.value is not None else "no value",
            _format.count(c.estimate.n),
            _format.p_value(c.p),
            _format.p_value(c.holm_p),
            c.estimate.method,
        )
        for c in found
    )
    table = Table("Systems compared on the same prompts", columns, rows, _format.notes([c.estimate for c in found]))
    panels = tuple(
        _panel(
            metric,
            [c for c in found if (c.metric, c.signature) == (metric, signature) and c.estimate.value is not None],
            infos,
            facts,
        )
        for metric, signature in dict.fromkeys((c.metric, c.signature) for c in found if c.estimate.value is not None)
    )
    if not panels:
        return [table]
    return [
        Figure(
            name="metric-differences",
            title=_title(found, facts),
            subtitle=f"Difference of the systems on the same prompts with its {facts.confidence} interval; thin line: no "
            "difference. Each metric has its own scale.",
            panels=panels,
            alt=". ".join(f"{row[0]}, {row[1]}: {row[2]}" for row in rows) + ".",
            table=table,
        )
    ]


def _panel(metric: str, found: list[Comparison], infos: Mapping[str, Any], facts: Facts):  # type: ignore[no-untyped-def]
    marks = [
        Mark(
            f"{facts.label(c.first)} − {facts.label(c.second)}" if len(facts.pairs) > 1 else "first − second",
            _format.measure(c.estimate, signed=True),
            c.estimate,
            INK,
        )
        for c in found
    ]
    unit = str(infos.get(metric, {}).get("unit", ""))
    return intervals(_headed(metric, infos), marks, Scale(*span([c.estimate for c in found]), unit or metric, "+~g"))


def _slices(values: list[Value], facts: Facts) -> list[Block]:
    """A table a metric: slices down, systems across, a column of its own for every signature."""
    blocks: list[Block] = []
    for metric in dict.fromkeys(value.metric for value in values):
        mine = [value for value in values if value.metric == metric]
        heads = list(dict.fromkeys((value.system, value.signature) for value in mine))
        columns = [Column("Prompts", align="left")]
        for system, _ in heads:
            columns += [
                Column("value", f"{facts.confidence} interval", group=facts.label(system)),
                Column("n", group=facts.label(system)),
            ]
        rows = []
        for part in dict.fromkeys(value.part for value in mine):
            cells = [part]
            for head in heads:
                estimate = next((v.estimate for v in mine if v.part == part and (v.system, v.signature) == head), None)
                cells += [_written(estimate), _format.count(estimate.n) if estimate else "–"]
            rows.append(tuple(cells))
        note = "Exploratory. " + _format.notes([value.estimate for value in mine])
        blocks.append(Table(f"{metric} by kind of prompt", tuple(columns), tuple(rows), note.strip()))
    return blocks


def _reading(infos: Mapping[str, Any]) -> Table:
    columns = tuple(Column(title, align="left") for title in ("Metric", "How to read it", "Better", "Unit", "Source"))
    rows = tuple(
        (
            name,
            str(info.get("reads") or info.get("description") or "–"),
            str(info.get("direction") or "–"),
            str(info.get("unit") or "–"),
            str(info.get("citation") or "–"),
        )
        for name, info in infos.items()
    )
    return Table("How to read the metrics", columns, rows)


def _signatures(values: list[Value]) -> Table:
    heads = list(dict.fromkeys((value.metric, value.signature) for value in values))
    rows = tuple((f"[{place}]", signature) for place, (_, signature) in enumerate(heads, start=1))
    return Table("Signatures", (Column("", align="left"), Column("how the value was made", align="left")), rows)


def _numbers(values: list[Value], found: list[Comparison]) -> dict[str, Number]:
    numbers: dict[str, Number] = {f"{v.metric}/{v.system}/{v.part}": v.estimate for v in values}
    return numbers | {f"{c.metric}/{c.first}-{c.second}": c.estimate for c in found}
