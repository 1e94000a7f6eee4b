"""Latency: a step and an image of each system on the hardware at hand, beside the published table."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Notice, Number, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._latency import Latency, band, read_latency
from evalkit.sections._study import Facts, read_facts
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run


@dataclass(frozen=True)
class Ratio:
    """One claim about speed: what is divided by what, what was measured, and what was published."""

    name: str
    label: str
    measured: Estimate
    published: float | None


def section(run: Run) -> Section | None:
    """Latency; None where nothing was measured."""
    latency = read_latency(run)
    if latency is None:
        return None
    facts = read_facts(run)
    ratios = [ratio for ratio in _ratios(latency, facts) if ratio.measured.value is not None]
    return Section(
        name="latency",
        title=_title(ratios),
        conclusion=_conclusion(ratios, latency),
        blocks=(
            *_notices(latency),
            *_figure(ratios, facts),
            *_verdict(ratios, facts),
            _image_table(latency, facts),
            _stage_table(latency, facts),
            _network_table(latency, facts),
            *_published_table(latency, facts),
            _how(latency),
        ),
        numbers=_numbers(ratios, latency),
    )


def _ratios(latency: Latency, facts: Facts) -> list[Ratio]:
    """Step against step, and image against image at the steps of the study, for every pair and setting."""
    found, confidence = [], facts.study.analysis.confidence
    for runtime, size in latency.settings:
        where = f"{runtime}, batch {size}"
        for first, second in facts.pairs:
            names = f"{facts.label(first)} / {facts.label(second)}"
            step = latency.step_ratio(first, second, runtime, size, confidence)
            of_step = _published_step(facts, first, second, runtime)
            found.append(Ratio(f"step/{first}-{second}/{runtime}/{size}", f"A step: {names} ({where})", step, of_step))
            pair = [(name, facts.study.system(name).sampling.steps) for name in (first, second)]
            image = latency.image_ratio(pair[0], pair[1], runtime, size, confidence)
            published = _published_image(facts, pair[0], pair[1], runtime)
            label = f"An image: {pair[0][1]} steps / {pair[1][1]} steps ({where})"
            found.append(Ratio(f"image/{first}-{second}/{runtime}/{size}", label, image, published))
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


def _title(ratios: list[Ratio]) -> str:
    if not ratios:
        return "Seconds were measured for one system only"
    ratio = ratios[0]
    return f"{ratio.label.split(' (')[0].replace('A step: ', 'A step, ')}: {_format.measure(ratio.measured)}"


def _conclusion(ratios: list[Ratio], latency: Latency) -> str:
    where = f"on {latency.record['hardware']}"
    if not ratios:
        return f"No two systems were measured in the same rounds {where}."
    said = [f"{ratio.label}: {_format.measure(ratio.measured)}, n = {ratio.measured.n} rounds" for ratio in ratios[:2]]
    return f"{'; '.join(said)}, {where}."


def _notices(latency: Latency) -> list[Block]:
    blocks: list[Block] = []
    if latency.record["random_weights"]:
        blocks.append(Notice("Networks of the full size with random weights: the speed is real, the pictures are not."))
    if latency.record["failed"]:
        blocks.append(Notice(f"Not measured: {'; '.join(latency.record['failed'])}."))
    return blocks


def _figure(ratios: list[Ratio], facts: Facts) -> list[Block]:
    if not ratios:
        return []
    marks = [
        Mark(r.label, _format.measure(r.measured), r.measured, facts.colour(facts.systems[0]), reference=r.published)
        for r in ratios
    ]
    published = [r.published for r in ratios if r.published is not None]
    low, high = span([r.measured for r in ratios], include=(1.0, *published))
    scale = Scale(low, high, "ratio of seconds; 1: equally long", ".2f")
    measured = Column("measured", f"{facts.confidence} interval")
    columns = (Column("Ratio", align="left"), measured, Column("rounds", "n"), Column("published"))
    rows = tuple(
        (r.label, _format.measure(r.measured), str(r.measured.n), "–" if r.published is None else f"{r.published:.3f}")
        for r in ratios
    )
    note = "Geometric mean over rounds in which both were measured; t interval on logarithms: about this machine only."
    return [
        Figure(
            name="latency",
            title=_title(ratios),
            subtitle="Ratios of seconds measured in the same rounds, with intervals",
            panels=(intervals("", marks, scale, zero=1.0),),
            alt="; ".join(f"{row[0]}: {row[1]}, published {row[3]}" for row in rows),
            table=Table("Ratios", columns, rows, note),
            open=True,
        )
    ]


def _verdict(ratios: list[Ratio], facts: Facts) -> list[Block]:
    """Which part of the published claim this hardware confirms."""
    points = [_verdict_on(ratio) for ratio in ratios if ratio.published is not None and ratio.measured.low is not None]
    if not points or facts.study.published_latency is None:
        return []
    source = facts.study.published_latency
    return [Paragraph(f"Against the published seconds ({source.source}; {source.hardware}):", tuple(points))]


def _verdict_on(ratio: Ratio) -> str:
    assert ratio.published is not None and ratio.measured.low is not None and ratio.measured.high is not None
    measured = _format.measure(ratio.measured)
    if ratio.measured.low <= ratio.published <= ratio.measured.high:
        said = "the published ratio lies within the interval: confirmed on this hardware"
    elif ratio.measured.high < 1 and ratio.published < 1:
        more = "more" if ratio.measured.high < ratio.published else "less"
        said = f"faster here too, by {more} than published"
    elif ratio.measured.low > 1:
        said = "slower here: not confirmed on this hardware"
    else:
        said = "no difference shown here: not confirmed on this hardware"
    return f"{ratio.label}: {measured}; published {ratio.published:.3f}; {said}."


def _image_table(latency: Latency, facts: Facts) -> Table:
    """Seconds per image: rows are systems by setting, columns the numbers of steps."""
    steps = latency.record["steps"]
    columns = [Column("System", align="left"), Column("Runtime", align="left"), Column("Batch")]
    columns += [Column(f"{n} steps", "s an image") for n in steps]
    rows, added = [], False
    for cell in latency.cells:
        named = (cell["system"], cell["runtime"], cell["batch_size"])
        row = [facts.label(named[0]), named[1], str(named[2])]
        for n in steps:
            seconds, whole = latency.image(*named, n)
            added = added or (len(seconds) > 0 and not whole)
            row.append(_seconds(band(seconds)) + ("" if whole or not len(seconds) else " *") if len(seconds) else "–")
        rows.append(tuple(row))
    note = "Median (10th to 90th percentile of the rounds)."
    note += " *: the parts added up, since a whole image was not drawn." if added else ""
    return Table("Seconds per image, from prompt to file", tuple(columns), tuple(rows), note)


def _stage_table(latency: Latency, facts: Facts) -> Table:
    stages = {"text": "text", "step": "one step", "vae": "decoding", "safety": "safety check", "write": "file"}
    stages = {stage: title for stage, title in stages.items() if stage in set(latency.table["stage"])}
    heads = (Column("System", align="left"), Column("Runtime", align="left"), Column("Batch"))
    columns = (*heads, *(Column(title, "s a batch") for title in stages.values()))
    rows = []
    for cell in latency.cells:
        named = (cell["system"], cell["runtime"], cell["batch_size"])
        found = [latency.stage(*named, stage) for stage in stages]
        cells = [_seconds(band(seconds)) if len(seconds) else "–" for seconds in found]
        rows.append((facts.label(named[0]), named[1], str(named[2]), *cells))
    note = "Median (10th to 90th percentile). One step is one call of the network, both halves of the guidance in it."
    return Table("Where the time goes", columns, tuple(rows), note)


def _network_table(latency: Latency, facts: Facts) -> Table:
    columns = (
        *(Column("System", align="left"), Column("Runtime", align="left"), Column("Batch")),
        *(Column("parameters", "million"), Column("one step", "GFLOP"), Column("peak memory", "GB")),
        *(Column("loading", "s"), Column("preparing", "s"), Column("against PyTorch", align="left")),
    )
    rows = []
    for cell in latency.cells:
        flop, peak = cell["operations_per_step"], cell["peak_bytes"]
        rows.append(
            (
                *(facts.label(cell["system"]), cell["runtime"], str(cell["batch_size"])),
                *(f"{cell['parameters'] / 1e6:,.1f}", f"{flop / 1e9:,.1f}" if flop else "–"),
                *(f"{peak / 1e9:.2f}" if peak else "–", f"{cell['load_seconds']:.2g}"),
                *(f"{cell['prepare_seconds']:.2g}", _fidelity(cell, latency)),
            )
        )
    note = (
        "GFLOP: billions of floating-point operations of the network, a multiply and add being two. Peak memory: the "
        "network's weights and what one step takes above them. Against PyTorch: the images of the same seeds (PSNR), "
        "or where none were drawn the largest deviation of one answer in its standard deviations."
    )
    return Table("The networks", columns, tuple(rows), note)


def _fidelity(cell: dict, latency: Latency) -> str:  # type: ignore[type-arg]
    if cell["runtime"] == "pytorch":
        return "–"
    named = ("system", "runtime", "batch_size")
    mine = [f for f in latency.record["fidelity"] if all(f[key] == cell[key] for key in named)]
    if not mine:
        return f"{cell['answer_difference']:.1g} sd"
    worst = [f["psnr_db"] for f in mine if f["psnr_db"] is not None]
    return f"{min(worst):.0f} dB" if worst else "the same bytes"


def _published_table(latency: Latency, facts: Facts) -> list[Block]:
    """The published seconds as printed, and what was measured here at the same steps (batch 1)."""
    published = facts.study.published_latency
    if published is None:
        return []
    heads = (Column("System", align="left"), Column("Runtime", align="left"), Column("Steps"))
    columns = (*heads, Column("published", "s an image"), Column("measured here", "s an image"))
    rows = []
    for row in published.rows:
        seconds, whole = latency.image(row.system, row.runtime.lower(), 1, row.steps)
        here = _seconds(band(seconds)) + ("" if whole else " *") if len(seconds) else "not measured"
        rows.append((facts.label(row.system), row.runtime, str(row.steps), f"{row.seconds:.2f}", here))
    note = f"{published.source}; {published.hardware}. {published.note} Seconds of unlike machines are not compared; "
    note += "ratios are."
    return [Table("The published seconds", columns, tuple(rows), note)]


def _how(latency: Latency) -> Table:
    rows = [(str(place), cell["signature"]) for place, cell in enumerate(latency.cells, start=1)]
    return Table("How it was measured", (Column(""), Column("Signature", align="left")), tuple(rows))


def _seconds(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.value:.3g} ({estimate.low:.3g}–{estimate.high:.3g})"


def _numbers(ratios: list[Ratio], latency: Latency) -> dict[str, Number]:
    numbers: dict[str, Number] = {ratio.name: ratio.measured for ratio in ratios}
    for cell in latency.cells:
        named = (cell["system"], cell["runtime"], cell["batch_size"])
        numbers["step_seconds/" + "/".join(map(str, named))] = band(latency.stage(*named, "step"))
    return numbers
