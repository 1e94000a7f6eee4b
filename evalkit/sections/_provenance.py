"""What ran, where and when: the manifest and the log of the vote as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Table
from evalkit.sections._study import read_voting
from evalkit.store.run import Run

OWN_COLUMNS = ("stage", "finished_at", "seconds", "versions", "git", "hardware")


def provenance_blocks(run: Run) -> list[Block]:
    """Stages with machine and revision, versions of packages, the vote's opening, closing and seal."""
    stages = run.read_json("manifest.json")["stages"] if run.has("manifest.json") else []
    voting = read_voting(run) or None
    found: list[Block] = [_stages(stages), _versions(stages)] if stages else []
    return [*found, _vote_log(voting)] if voting else found


def _stages(stages: list[dict[str, Any]]) -> Table:
    titles = ("Stage", "finished, UTC", "seconds", "machine", "evalkit", "what")
    columns = tuple(Column(title, align="right" if title == "seconds" else "left") for title in titles)
    rows = tuple(
        (
            str(stage["stage"]),
            _moment(stage["finished_at"]),
            f"{stage['seconds']:,.1f}",
            _machine(stage.get("hardware") or {}),
            _revision(stage.get("git")),
            _facts(stage),
        )
        for stage in stages
    )
    return Table("What ran, where and when", columns, rows)


def _versions(stages: list[dict[str, Any]]) -> Table:
    used: dict[str, list[str]] = {}
    for stage in stages:
        for package, version in stage.get("versions", {}).items():
            known = used.setdefault(package, [])
            known += [] if version in known else [version]
    rows = tuple((package, ", ".join(found)) for package, found in used.items())
    return Table("Versions", (Column("Package", align="left"), Column("version", align="left")), rows)


def _vote_log(voting: Mapping[str, Any]) -> Table:
    rows = [
        ("Opened, UTC", _moment(voting.get("opened_at"))),
        ("Closed, UTC", _moment(voting.get("closed_at")) if voting.get("closed_at") else "still open"),
        ("Head of the log, SHA-256", str(voting.get("head") or "–")),
    ]
    columns = (Column("Event", align="left"), Column("when", align="left"))
    return Table("The vote", columns, tuple(rows), "The hash covers the frozen design, the log and the sealed votes.")


def _moment(value: object) -> str:
    return str(value or "–")[:19].replace("T", " ")


def _machine(hardware: Mapping[str, Any]) -> str:
    cores = f"{hardware['cores']} cores" if hardware.get("cores") else None
    parts = (hardware.get("accelerator"), hardware.get("processor"), cores)
    return ", ".join(str(part) for part in parts if part) or "unknown"


def _revision(git: object) -> str:
    revision, changed, _ = str(git or "unknown").partition("+")
    return revision[:12] + (" with changes" if changed else "")


def _facts(stage: Mapping[str, Any]) -> str:
    """The stage's other facts, but for nested ones and hashes."""
    facts = {key: value for key, value in stage.items() if key not in OWN_COLUMNS and value not in (None, [], {})}
    said = [f"{key.replace('_', ' ')} {_said(value)}" for key, value in facts.items() if len(_said(value)) <= 60]
    return _format.tame("; ".join(said)) or "–"


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
