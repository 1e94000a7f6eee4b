"""Two runs beside each other: in what their studies, images and metrics differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Number, Paragraph, Section, Table
from evalkit.sections._comparison import Side, interval_text
from evalkit.sections._scores import Scores, Value, image_scores, read_scores
from evalkit.stats.multiplicity import holm
from evalkit.stats.pairing import PairedDifference, paired_difference
from evalkit.store.run import Run

PROSE = ("title", "summary", "notes", "url", "untested")


def plans_section(one: Side, two: Side) -> Section:
    """The fields in which the two studies differ, and how many images and prompts they share."""
    found = list(_differences(*(side.run.read_json("resolved.json") for side in (one, two))))
    same = one.facts.sha == two.facts.sha
    said = (
        "The two runs are of the same study."
        if same
        else f"The studies differ in {_format.plural(len(found), 'field')}."
    )
    columns = (Column("Field", align="left"), Column("first run", align="left"), Column("second run", align="left"))
    blocks: list[Block] = [Table("What is planned differently", columns, tuple(found))] if found else []
    shared = _shared_images(one.run, two.run)
    return Section(
        name="plans",
        title="The same study" if same else "What was planned differently",
        conclusion=said,
        blocks=(*blocks, *([Paragraph(shared)] if shared else [])),
    )


def _differences(one: Any, two: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in dict.fromkeys([*one, *two]):
            if key not in PROSE and not (not path and key == "sha"):
                yield from _differences(one.get(key), two.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for place, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from _differences(a, b, f"{path}[{place}]")
    elif one != two:
        yield path, _said(one), _said(two)


def _said(value: object) -> str:
    return "–" if value is None else _format.tame(str(value), 120)


def _shared_images(one: Run, two: Run) -> str:
    if not (one.has("images.parquet") and two.has("images.parquet")):
        return ""
    first, second = (run.read_table("images.parquet", "images") for run in (one, two))
    shared = [set(first[column]) & set(second[column]) for column in ("key", "prompt_key")]
    counts = [_format.count(n) for n in (len(shared[0]), len(first), len(second), len(shared[1]))]
    return f"Same images: {counts[0]} (of {counts[1]} and {counts[2]}); shared prompts: {counts[3]}."


def metrics_section(one: Side, two: Side) -> Section | None:
    """Every metric of every shared system: tested by prompt where images have scores, else side by side."""
    scores = read_scores(one.run), read_scores(two.run)
    if scores[0] is None or scores[1] is None:
        return None
    tested = _image_metrics(one, two, scores[0], scores[1])
    adjusted = holm([found.test.p for found in tested.values()])
    clear = sum(p is not None and p < 1 - one.facts.study.analysis.confidence for p in adjusted)
    blocks = [_tested_table(tested, adjusted, one)] if tested else []
    side = _side_by_side(scores[0], scores[1], one, two)
    if not tested and not side.rows:
        return None
    known = sum(p is not None for p in adjusted)
    compared = _format.plural(known, "metric comparison")
    changed = f"{clear} of {compared} shows a change" if clear else f"No change shown by {compared}"
    said = changed if known else "Metrics could not be tested"
    numbers: dict[str, Number] = {f"{metric}/{name}/difference": d.estimate for (metric, name), d in tested.items()}
    return Section(
        name="metrics",
        title=said,
        conclusion=f"{said}; values under unlike signatures are not compared.",
        blocks=(*blocks, *([side] if side.rows else [])),
        numbers=numbers,
    )


def _image_metrics(one: Side, two: Side, before: Scores, after: Scores) -> dict[tuple[str, str], PairedDifference]:
    tables = image_scores(one.run, before), image_scores(two.run, after)
    found: dict[tuple[str, str], PairedDifference] = {}
    for metric in (name for name in tables[0] if name in tables[1]):
        if _signatures(before, metric) != _signatures(after, metric):
            continue
        for name, other in two.systems.items():
            first, second = (
                _by_prompt(side.run, system, table[metric])
                for side, system, table in ((one, name, tables[0]), (two, other, tables[1]))
            )
            confidence = one.facts.study.analysis.confidence
            found[metric, name] = paired_difference(
                second[0], first[0], second[1], first[1], rng=one.facts.random(), confidence=confidence
            )
    return found


def _by_prompt(run: Run, system: str, scores: Mapping[str, float]) -> tuple[list[float], list[str]]:
    images = run.read_table("images.parquet", "images")
    mine = images[(images["system"] == system) & images["key"].isin(list(scores))]
    return [scores[key] for key in mine["key"]], [
        f"{p} {lang}" for p, lang in zip(mine["prompt_key"], mine["lang"], strict=True)
    ]


def _signatures(scores: Scores, metric: str) -> set[str]:
    return {value.signature for value in scores.values if value.metric == metric}


def _tested_table(
    tested: Mapping[tuple[str, str], PairedDifference], adjusted: tuple[float | None, ...], one: Side
) -> Table:
    columns = (
        Column("Metric", align="left"),
        Column("System", align="left"),
        Column("difference", f"{one.facts.confidence} interval"),
        Column("prompts", "n"),
        Column("change", "p"),
        Column("Holm", "p"),
    )
    rows = tuple(
        (
            metric,
            one.facts.label(name),
            _format.measure(found.estimate, signed=True) if found.estimate.value is not None else "no value",
            _format.count(found.estimate.n),
            _format.p_value(found.test.p),
            _format.p_value(p),
        )
        for ((metric, name), found), p in zip(tested.items(), adjusted, strict=True)
    )
    note = "Second run less first, paired t over the prompts that both have. "
    return Table("Metrics of images", columns, rows, note + _format.notes([d.estimate for d in tested.values()]))


def _side_by_side(before: Scores, after: Scores, one: Side, two: Side) -> Table:
    columns = (
        Column("Metric", align="left"),
        Column("System", align="left"),
        *(Column(title, f"{one.facts.confidence} interval") for title in ("first run", "second run")),
        Column("images", "n + n"),
        Column("made alike?", align="left"),
    )
    rows = tuple(
        (
            metric,
            one.facts.label(name),
            interval_text(a.estimate),
            interval_text(b.estimate),
            f"{_format.count(a.estimate.n)} + {_format.count(b.estimate.n)}",
            "yes" if _made(a) == _made(b) else "no: not to be compared",
        )
        for metric in before.infos
        for name, other in two.systems.items()
        for a, b in zip(_overall(before, metric, name), _overall(after, metric, other), strict=False)
    )
    note = "Made alike: metric, network, preprocessing, reference and number of images are the same (the signature)."
    return Table("Values side by side", columns, rows, note)


def _overall(scores: Scores, metric: str, system: str) -> list[Value]:
    return [v for v in scores.values if v.metric == metric and v.system == system and v.overall]


def _made(value: Value) -> str:
    """The signature without evalkit's own version."""
    return "|".join(part for part in value.signature.split("|") if not part.startswith("evalkit"))


def run_table(one: Side, two: Side) -> Table:
    """Which run is which."""
    columns = (
        Column("Which", align="left"),
        Column("run", align="left"),
        Column("systems", align="left"),
        Column("votes", "n"),
    )
    rows = tuple(
        (
            title,
            side.run.name,
            ", ".join(side.facts.label(name) for name in side.systems.values()),
            _format.count(0 if side.ballots is None else len(side.ballots.counted)),
        )
        for title, side in (("First run", one), ("Second run", two))
    )
    return Table("The two runs", columns, rows)
