"""The panels of the health card that the score stage measured: fragile and memorisation; `_health_curve`: biased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Gallery, GalleryItem, Number, Picture, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._study import Facts
from evalkit.stats import health
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

TABLE = "health.parquet"


@dataclass(frozen=True)
class Panel:
    """One criticism: what was found of it in a sentence, the verdict, and what stands below."""

    name: str
    verdict: health.Verdict
    sentence: str
    blocks: list[Block] = field(default_factory=list)
    numbers: Mapping[str, Number] = field(default_factory=dict)


def read_card(run: Run) -> pd.DataFrame | None:
    """health.parquet; None where the score stage made none (no set metric, or no reference set)."""
    return run.read_table(TABLE, "health") if run.has(TABLE) else None


def estimate(row: pd.Series) -> Estimate:
    """The number of one row."""
    value, low, high = (None if np.isnan(row[key]) else float(row[key]) for key in ("value", "low", "high"))
    return Estimate(value, low, high, int(row["n"]), str(row["method"]), note=str(row["note"]) or None)


def reasons(mine: pd.DataFrame) -> str:
    """Why there is no number: the sentences of the rows without one, or else of the others."""
    missing = mine[mine["value"].isna() & (mine["note"] != "")]
    notes = list(dict.fromkeys((missing if len(missing) else mine[mine["note"] != ""])["note"]))
    return "; ".join(notes) or "too few images for a corrected value; the plain value is mostly bias"


def fragile_panel(card: pd.DataFrame, facts: Facts) -> Panel:
    """How far harmless processing moves the distance, against its own interval."""
    mine = card[card["panel"] == "fragile"]
    found: dict[str, Estimate] = {}
    changes: dict[str, dict[str, Estimate]] = {}
    for _, row in mine.iterrows():
        if row["setting"] == "as generated":
            found[row["system"]] = estimate(row)
        else:
            changes.setdefault(row["system"], {})[row["setting"]] = estimate(row)
    verdicts = {
        system: health.fragility([c.value for c in changes.get(system, {}).values() if c.value is not None], distance)
        for system, distance in found.items()
    }
    verdict = health.worst(list(verdicts.values()))
    return Panel(
        "Fragile",
        verdict,
        _fragile_sentence(found, changes, facts),
        _fragile_blocks(found, changes, facts),
        {f"fragile/{system}/{name}": c for system, those in changes.items() for name, c in those.items()},
    )


def _fragile_sentence(found: dict[str, Estimate], changes: dict[str, dict[str, Estimate]], facts: Facts) -> str:
    moved = [
        (abs(c.value or 0) / ((d.high - d.low) / 2), name, system)
        for system, d in found.items()
        if d.low is not None and d.high is not None and d.high > d.low
        for name, c in changes.get(system, {}).items()
    ]
    if not moved:
        notes = [d.note for d in found.values() if d.note]
        return f"Not judged: {notes[0] if notes else 'no distance with an interval'}."
    ratio, name, system = max(moved)
    parts = {note: None for d in found.values() for note in (d.note or "").split("; ") if "drawn by seed" in note}
    seen = f" Measured on {_format.listed(list(parts))}." if parts else ""
    return (
        f"The largest change, by {name} ({facts.label(system)}), is {ratio:.2g} times the half-width of the distance's "
        f"own {facts.confidence} interval; up to {health.CHANGE_FINE:g} is fine, above {health.CHANGE_MOST:g} is not."
        f"{seen}"
    )


def _fragile_blocks(found: dict[str, Estimate], changes: dict[str, dict[str, Estimate]], facts: Facts) -> list[Block]:
    if not changes:
        return []
    low, high = span([change for those in changes.values() for change in those.values()])
    scale = Scale(low, high, "change of the distance", "+~g")
    marks = {
        facts.label(system): [
            Mark(name, _format.measure(change, signed=True), change, facts.colour(system))
            for name, change in those.items()
        ]
        for system, those in changes.items()
    }
    columns = (
        Column("System", align="left"),
        Column("Processing", align="left"),
        Column("change", "range over seeds"),
        Column("images", "n"),
    )
    rows = [
        (facts.label(system), "as generated", _format.measure(distance), _format.count(distance.n))
        for system, distance in found.items()
    ]
    rows += [
        (facts.label(system), name, _format.measure(change, signed=True), _format.count(change.n))
        for system, those in changes.items()
        for name, change in those.items()
    ]
    note = f"As generated: the distance with its {facts.confidence} interval. Other rows: how far it moves."
    return [
        Figure(
            name="health-fragile",
            title="Fragile? What resizing and compression alone do to the distance",
            subtitle="Change of the Frechet distance of the same images, with its range over seeds. Thin line: none.",
            panels=tuple(intervals(label, rows, scale) for label, rows in marks.items()),
            alt=" ".join(f"{label}, {mark.label}: {mark.text}." for label, rows in marks.items() for mark in rows),
            table=Table("Same images, other processing", columns, tuple(rows), note),
        )
    ]


def memory_panel(card: pd.DataFrame, facts: Facts, run: Run) -> Panel:
    """Whether images repeat the training set; without one it cannot be assessed, and near neighbours are shown only."""
    mine = card[card["panel"] == "memorisation"]
    known = facts.study.training_set is not None
    verdicts, copies = [], []
    for system in dict.fromkeys(mine["system"]):
        rows = {row["measure"]: estimate(row) for _, row in mine[mine["system"] == system].iterrows()}
        share, authentic = rows.get("suspected copies"), rows.get("AuthPct")
        if share is None or authentic is None or share.value is None or authentic.value is None:
            continue
        counted = np.where(np.arange(share.n) < round(share.value / 100 * share.n), 0.0, 1.0)
        verdicts.append(health.memorisation(counted, authentic.value, is_training_set=known))
        copies.append(f"{share.value:.2g} % ({facts.label(system)})")
    sentence = (
        f"Suspected copies of training images: {_format.listed(copies)}; AuthPct of new images is about 50."
        if known and copies
        else f"Not judged: {reasons(mine)}."
        if known
        else "The study names no training set (`training_set:`), so memorisation cannot be assessed; the nearest "
        "images of the reference set are shown."
    )
    gallery = _neighbours(mine, facts, run)
    blocks: list[Block] = [_memory_table(mine, facts), *([gallery] if gallery else [])]
    return Panel("Rewards memorisation", health.worst(verdicts), sentence, blocks, _memory_numbers(mine))


def _memory_numbers(mine: pd.DataFrame) -> dict[str, Number]:
    shown = mine[mine["image"] == ""]
    return {f"memorisation/{row['system']}/{row['measure']}": estimate(row) for _, row in shown.iterrows()}


def _memory_table(mine: pd.DataFrame, facts: Facts) -> Table:
    columns = (
        Column("System", align="left"),
        Column("Measure", align="left"),
        Column("value", f"{facts.confidence} interval"),
        Column("n"),
        Column("against", align="left"),
    )
    shown = mine[mine["image"] == ""]
    rows = tuple(
        (
            facts.label(row["system"]),
            str(row["measure"]) + (" (%)" if row["measure"] not in ("Frechet distance", INFORMED) else ""),
            _format.measure(estimate(row)) if estimate(row).value is not None else "no value",
            _format.count(int(row["n"])),
            str(row["setting"]),
        )
        for _, row in shown.iterrows()
    )
    note = "A memorisation-informed distance above the Frechet distance means copies. "
    return Table("Memorisation", columns, rows, note + _format.notes([estimate(row) for _, row in shown.iterrows()]))


INFORMED = "memorisation-informed distance"


def _neighbours(mine: pd.DataFrame, facts: Facts, run: Run) -> Gallery | None:
    """The most suspicious images beside their nearest neighbours, the nearest seeds of one prompt after them."""
    prompts = _prompts(run)
    items = []
    for _, row in mine[mine["image"] != ""].iterrows():
        seeds = row["measure"] == "nearest seeds"
        second = _thumbnail(run, row["other"] if seeds else f"reference-{row['other']}")
        told = "another seed" if seeds else "nearest reference image" if second else "nearest, no picture stored"
        label = "" if seeds or second else f": {_format.tame(row['other'], 60)}"
        pictures = (
            Picture(facts.label(row["system"]), _thumbnail(run, row["image"])),
            *([Picture(told, second)] if second else []),
        )
        said = f"closeness {row['value']:.2f}; 0 is a copy, above 1 is authentic"
        fact = f"distance {row['value']:.2f} of that between prompts" if seeds else f"{told}{label}; {said}"
        items.append(GalleryItem(_format.tame(prompts.get(row["image"], "")), "", pictures, (fact,)))
    return Gallery("The most suspicious images and what is nearest to them", tuple(items)) if items else None


def _prompts(run: Run) -> dict[str, str]:
    if not run.has("images.parquet"):
        return {}
    images = run.read_table("images.parquet", "images")
    return dict(zip(images["key"], images["prompt"], strict=True))


def _thumbnail(run: Run, key: str) -> str | None:
    return f"{key}.webp" if run.path(f"thumbnails/{key}.webp").is_file() else None
