"""The tables of the latency section: seconds of images and of parts, the networks, the published seconds."""

from __future__ import annotations

from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Column, Table
from evalkit.sections._latency import Latency, band
from evalkit.sections._study import Facts
from evalkit.stats.estimate import Estimate

HEADS = (Column("System", align="left"), Column("Runtime", align="left"), Column("Batch"))
STAGES = {"text": "text", "step": "one step", "vae": "decoding", "safety": "safety check", "write": "file"}
BAND = "Median (10th to 90th percentile of the rounds)."
ADDED = " *: the parts added up, since a whole image was not drawn."


def image_table(latency: Latency, facts: Facts) -> Table | None:
    """Seconds per image: rows are systems by setting, columns the numbers of steps. None where none is known."""
    found = {
        (place, steps): latency.image(cell["system"], cell["runtime"], cell["batch_size"], steps)
        for place, cell in enumerate(latency.cells)
        for steps in latency.record["steps"]
    }
    known = [n for n in latency.record["steps"] if any(len(s) for (_, steps), (s, _) in found.items() if steps == n)]
    if not known:
        return None
    columns = (*HEADS, *(Column(f"{steps} steps", "s an image") for steps in known))
    rows = tuple(
        (*_named(cell, latency, facts), *(_image(*found[place, steps]) for steps in known))
        for place, cell in enumerate(latency.cells)
    )
    added = any(len(seconds) and not whole for seconds, whole in found.values())
    return Table("Seconds per image, from prompt to file", columns, rows, BAND + ADDED * added)


def _image(seconds: Any, whole: bool) -> str:
    return _seconds(band(seconds)) + ("" if whole else " *") if len(seconds) else "–"


def stage_table(latency: Latency, facts: Facts) -> Table:
    """Seconds of each part, or milliseconds where all are shorter than a second."""
    stages = {stage: title for stage, title in STAGES.items() if stage in set(latency.table["stage"])}
    parts = latency.table[latency.table["stage"].isin(list(stages))]
    unit, scale = ("ms", 1000) if parts["seconds"].max() < 1 else ("s", 1)
    columns = (*HEADS, *(Column(title, f"{unit} a batch") for title in stages.values()))
    rows = []
    for cell in latency.cells:
        found = [latency.stage(cell["system"], cell["runtime"], cell["batch_size"], stage) for stage in stages]
        cells = (_seconds(band(seconds * scale)) if len(seconds) else "–" for seconds in found)
        rows.append((*_named(cell, latency, facts), *cells))
    note = f"{BAND} One step is one call of the network, both halves of the guidance in it."
    return Table("Where the time goes", columns, tuple(rows), note)


def network_table(latency: Latency, facts: Facts) -> Table:
    """What does not depend on the round; columns that say nothing are left out."""
    found: dict[Column, list[str]] = {
        Column("parameters", "million"): [_scaled(cell["parameters"], 1e6) for cell in latency.cells],
        Column("one step", "GFLOP"): [_scaled(cell["operations_per_step"], 1e9) for cell in latency.cells],
        Column("peak memory", "GB"): [_scaled(cell["peak_bytes"], 1e9) for cell in latency.cells],
        Column("loading", "s"): [_digits(cell["load_seconds"]) for cell in latency.cells],
        Column("preparing", "s"): [_digits(cell["prepare_seconds"]) for cell in latency.cells],
        Column("against PyTorch"): [_fidelity(cell, latency) for cell in latency.cells],
    }
    said = {column: cells for column, cells in found.items() if set(cells) != {"–"}}
    names = [_named(cell, latency, facts) for cell in latency.cells]
    rows = tuple((*name, *cells) for name, *cells in zip(names, *said.values(), strict=True))
    note = (
        "GFLOP: billions of floating-point operations of the network, a multiply and add being two. Peak memory: the "
        "network's weights and what one step takes above them. Preparing: the first call, compilation included."
    )
    if Column("against PyTorch") in said:
        note += " Against PyTorch: images of the same seeds (PSNR), or the largest deviation of one answer where none"
        note += " were drawn, in its standard deviations (sd)."
    return Table("The networks", (*HEADS, *said), rows, note)


def _fidelity(cell: dict[str, Any], latency: Latency) -> str:
    if cell["runtime"] == "pytorch":
        return "–"
    named = ("system", "runtime", "batch_size")
    mine = [f for f in latency.record["fidelity"] if all(f[key] == cell[key] for key in named)]
    if not mine:
        return f"{cell['answer_difference']:.1g} sd"
    worst = [f["psnr_db"] for f in mine if f["psnr_db"] is not None]
    return f"{min(worst):.0f} dB" if worst else "the same bytes"


def published_table(latency: Latency, facts: Facts) -> Table | None:
    """The published seconds as printed, and what was measured here at the same steps (batch 1)."""
    published = facts.study.published_latency
    if published is None:
        return None
    here = [_image(*latency.image(row.system, row.runtime.lower(), 1, row.steps)) for row in published.rows]
    measured = set(here) != {"–"}
    more = (Column("measured here", "s an image"),) * measured
    columns = (*HEADS[:2], Column("Steps"), Column("published", "s an image"), *more)
    rows = tuple(
        (latency.label(row.system, facts), row.runtime, str(row.steps), f"{row.seconds:.2f}", *(text,) * measured)
        for row, text in zip(published.rows, here, strict=True)
    )
    note = f"{_format.sentence(published.source)}; {published.hardware}. {published.note} Seconds of unlike machines "
    return Table("The published seconds", columns, rows, note + "are not compared; ratios are.")


def how(latency: Latency, facts: Facts) -> Table:
    """Each way in which something was measured, once."""
    signatures = dict.fromkeys(cell["signature"] for cell in latency.cells)
    rows = tuple((str(place), signature) for place, signature in enumerate(signatures, start=1))
    return Table("How it was measured", (Column(""), Column("Signature", align="left")), rows)


def _named(cell: dict[str, Any], latency: Latency, facts: Facts) -> tuple[str, str, str]:
    return latency.label(cell["system"], facts), latency.runtime(cell["runtime"]), str(cell["batch_size"])


def _scaled(value: float | None, unit: float) -> str:
    """In millions or billions: "2.81", "814.7"."""
    if not value:
        return "–"
    return _digits(value / unit) if value < 100 * unit else f"{value / unit:,.1f}"


def _seconds(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{_digits(estimate.value)} ({_digits(estimate.low)} to {_digits(estimate.high)})"


def _digits(seconds: float | None) -> str:
    """Three significant digits: "0.0351", "13.0", "127"."""
    return "–" if seconds is None else f"{seconds:#.3g}".rstrip(".")
