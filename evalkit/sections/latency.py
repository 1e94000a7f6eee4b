"""Latency: a step and an image of each system on the hardware at hand, beside the published table."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Notice, Number, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._latency import Latency, band, read_latency
from evalkit.sections._latency_tables import how, image_table, network_table, published_table, stage_table
from evalkit.sections._study import Facts, read_facts
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

BUSY = 0.05
"""Share of the processor taken by other work that a reader must know of."""
Setting = tuple[str, int]
"""Runtime and batch size."""


@dataclass(frozen=True)
class Ratio:
    """One claim about speed: what is divided by what, what was measured, and what was published."""

    kind: str
    what: str
    systems: tuple[str, str]
    setting: Setting
    measured: Estimate
    published: float | None

    @property
    def name(self) -> str:
        return "/".join((self.kind, "-".join(self.systems), *map(str, self.setting)))


def section(run: Run) -> Section | None:
    """Latency; None where nothing was measured."""
    latency = read_latency(run)
    if latency is None:
        return None
    facts = read_facts(run)
    ratios = [ratio for ratio in _ratios(latency, facts) if ratio.measured.value is not None]
    tables = (image_table, stage_table, network_table, published_table, how)
    return Section(
        name="latency",
        title=_title(ratios, latency, facts),
        conclusion=_conclusion(ratios, latency),
        blocks=(
            *_notices(latency),
            *_figure(ratios, latency, facts),
            *(table for make in tables if (table := make(latency, facts))),
        ),
        numbers=_numbers(ratios, latency),
    )


def _ratios(latency: Latency, facts: Facts) -> list[Ratio]:
    """Step against step, and image against image at the steps of the study, for every pair and setting."""
    found, confidence = [], facts.study.analysis.confidence
    for runtime, size in latency.settings:
        for pair in facts.pairs:
            named = (*pair, runtime, size, confidence)
            of_step = _published_step(facts, *pair, runtime)
            drawn = [(name, facts.study.system(name).sampling.steps) for name in pair]
            image = f"an image, {drawn[0][1]} steps / {drawn[1][1]} steps"
            of_image = _published_image(facts, drawn[0], drawn[1], runtime)
            of_images = latency.image_ratio(drawn[0], drawn[1], runtime, size, confidence)
            by_processor, where = latency.processor_ratio(*named), (runtime, size)
            found += [
                Ratio("step", "a step", pair, where, latency.step_ratio(*named), of_step),
                Ratio("processor", "a step, processor time", pair, where, by_processor, of_step),
                Ratio("image", image, pair, where, of_images, of_image),
            ]
    return found


def _published_step(facts: Facts, first: str, second: str, runtime: str) -> float | None:
    """The ratio of two images at the same number of steps, the largest that was published for both."""
    steps = [{row.steps for row in _rows(facts, runtime) if row.system == name} for name in (first, second)]
    shared = max(steps[0] & steps[1], default=None)
    return _published_image(facts, (first, shared), (second, shared), runtime) if shared else None


def _published_image(facts: Facts, first: tuple[str, int], second: tuple[str, int], runtime: str) -> float | None:
    seconds = {(row.system, row.steps): row.seconds for row in _rows(facts, runtime)}
    return seconds[first] / seconds[second] if first in seconds and second in seconds else None


def _rows(facts: Facts, runtime: str) -> list:  # type: ignore[type-arg]
    published = facts.study.published_latency
    return [row for row in (published.rows if published else ()) if row.runtime.lower() == runtime.lower()]


def _title(ratios: list[Ratio], latency: Latency, facts: Facts) -> str:
    if not ratios:
        return "Seconds were measured for one system only"
    first, second = (latency.label(name, facts) for name in ratios[0].systems)
    return f"A step of {first} takes {_format.measure(ratios[0].measured)} of one of {second}"


def _conclusion(ratios: list[Ratio], latency: Latency) -> str:
    threads = f" on {_format.plural(latency.record['threads'], 'thread')}" if latency.record["device"] == "cpu" else ""
    where = f"{latency.record['hardware']}{threads}"
    if not ratios:
        return f"No two systems were measured in the same rounds ({where})."
    step = ratios[0]
    said = f"Measured on {where}, {latency.setting(step.setting)}, n = {_format.plural(step.measured.n, 'round')}"
    said += f"; published: {step.published:.3f}." if step.published else "."
    for ratio in ratios[1:]:
        if ratio.kind == "image" and (ratio.systems, ratio.setting) == (step.systems, step.setting):
            published = f"; published: {ratio.published:.3f}" if ratio.published else ""
            said += f" {_format.sentence(ratio.what)}: {_format.measure(ratio.measured)}{published}."
    return said


def _notices(latency: Latency) -> list[Block]:
    blocks: list[Block] = []
    if latency.record["random_weights"]:
        blocks.append(Notice("Networks of the full size with random weights: the speed is real, the pictures are not."))
    elsewhere = latency.record["busy_elsewhere"]
    if elsewhere is not None and latency.record["device"] == "cpu" and elsewhere >= BUSY:
        said = f"Other work took {_format.percent(elsewhere)} of the processor while this was measured: seconds are too"
        blocks.append(Notice(f"{said} long. Ratios hold as far as it fell on all systems alike."))
    if latency.record["contiguous"]:
        blocks.append(Paragraph("Networks in diffusers' own memory format; evalkit generate draws with channels last."))
    if latency.record["failed"]:
        blocks.append(Notice(f"Not measured: {'; '.join(latency.record['failed'])}."))
    return blocks


def _figure(ratios: list[Ratio], latency: Latency, facts: Facts) -> list[Block]:
    """A panel for each pair and setting, all on one scale."""
    if not ratios:
        return []
    published = [r.published for r in ratios if r.published is not None]
    low, high = span([r.measured for r in ratios], include=(1.0, *published))
    scale = Scale(low, high, "ratio of seconds; 1: equally long", ".2f")
    table = _table(ratios, latency, facts)
    panels = []
    for systems, setting in dict.fromkeys((r.systems, r.setting) for r in ratios):
        marks = [_mark(r, facts) for r in ratios if (r.systems, r.setting) == (systems, setting)]
        title = f"{_pair(systems, latency, facts)}, {latency.setting(setting)}"
        panels.append(intervals(title, marks, scale, zero=1.0))
    return [
        Figure(
            name="latency",
            title=_found(ratios),
            subtitle=f"Ratios of seconds in the same rounds{'; diamonds: published' if published else ''}",
            panels=tuple(panels),
            alt="; ".join(", ".join((row[0], *row[3:])) for row in table.rows),
            table=table,
            open=True,
        )
    ]


def _mark(ratio: Ratio, facts: Facts) -> Mark:
    measured, colour = ratio.measured, facts.colour(ratio.systems[0])
    return Mark(ratio.what, _format.measure(measured), measured, colour, reference=ratio.published)


def _found(ratios: list[Ratio]) -> str:
    """What the figure shows: how many published ratios hold here."""
    tested = [r for r in ratios if r.published is not None and r.measured.low is not None and r.kind != "processor"]
    if not tested:
        return "How long one takes in terms of the other"
    held = sum(_verdict(ratio) == CONFIRMED for ratio in tested)
    return f"{held} of {_format.plural(len(tested), 'published ratio')} within the interval"


def _table(ratios: list[Ratio], latency: Latency, facts: Facts) -> Table:
    columns: tuple[Column, ...] = (
        *(Column("Ratio", align="left"), Column("Runtime", align="left"), Column("Batch")),
        *(Column("measured", f"{facts.confidence} interval"), Column("rounds", "n")),
    )
    cells: list[tuple[str, ...]] = [
        (
            *(f"{_pair(r.systems, latency, facts)}, {r.what}", latency.runtime(r.setting[0]), str(r.setting[1])),
            *(_format.measure(r.measured), str(r.measured.n)),
        )
        for r in ratios
    ]
    if any(ratio.published is not None for ratio in ratios):
        columns += (Column("published"), Column("On this hardware", align="left"))
        said = [("–" if r.published is None else f"{r.published:.3f}", _verdict(r)) for r in ratios]
        cells = [(*cell, *more) for cell, more in zip(cells, said, strict=True)]
    note = "Geometric mean over rounds in which both were measured; t interval on logarithms: about this machine only."
    if published := facts.study.published_latency:
        note += f" Published: {published.source}; {published.hardware}."
    if any(ratio.kind == "processor" for ratio in ratios):
        note += " Processor time: what the one thread worked, which other work on the machine does not stretch."
    return Table("Ratios", columns, tuple(cells), note)


CONFIRMED = "within the interval: confirmed"


def _verdict(ratio: Ratio) -> str:
    """Which part of the published claim this hardware confirms."""
    low, high = ratio.measured.low, ratio.measured.high
    if ratio.published is None or low is None or high is None:
        return "–"
    if low <= ratio.published <= high:
        return CONFIRMED
    if high < 1 and ratio.published < 1:
        return f"faster too, by {'more' if high < ratio.published else 'less'}"
    return "slower: not confirmed" if low > 1 else "no difference shown: not confirmed"


def _pair(systems: tuple[str, str], latency: Latency, facts: Facts) -> str:
    return " / ".join(latency.label(name, facts) for name in systems)


def _numbers(ratios: list[Ratio], latency: Latency) -> dict[str, Number]:
    numbers: dict[str, Number] = {ratio.name: ratio.measured for ratio in ratios}
    for cell in latency.cells:
        named = (cell["system"], cell["runtime"], cell["batch_size"])
        numbers["step_seconds/" + "/".join(map(str, named))] = band(latency.stage(*named, "step"))
    return numbers
