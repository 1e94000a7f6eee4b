"""evalkit report: a run folder -> report.json, and from that alone index.html, report.md and report.tex."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit import __version__, registry, sections
from evalkit.errors import RunError
from evalkit.outcome import Outcome
from evalkit.sections import _render
from evalkit.sections._blocks import Section, as_record
from evalkit.sections._notices import notices
from evalkit.sections._study import read_facts
from evalkit.settings import Settings
from evalkit.store.files import write_bytes, write_text
from evalkit.store.run import Run

SCHEMA = "evalkit-report/1"
PICTURE = re.compile(r"[A-Za-z0-9._-]{1,100}\.webp")


def report(run: Run, settings: Settings, *, out: Path | None = None, interim: bool = False) -> Outcome:
    """Writes the report of a run into `out` (default: REPORTS/RUN). Reads the run folder and nothing else.

    Raises:
        RunError: the run lacks its study, a table is damaged, or the study is still open and `interim` is not asked.
    """
    require_closed(run, interim=interim)
    folder = out or settings.reports_dir / run.name
    text = json.dumps(compose(run, interim=interim), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(folder / "report.json", text)
    written = render(folder, run.path("thumbnails"))
    if interim:
        run.log("interim report", where=str(folder))
    found = written["sections"]
    return Outcome(
        said=f"{found[0]['title']}. {len(found)} sections.",
        where=folder / "index.html",
        facts={
            "run": run.name,
            "sections": [section["name"] for section in found],
            "conclusion": found[0]["conclusion"],
        },
        warnings=tuple(written["notices"]),
    )


def compose(run: Run, *, interim: bool = False) -> dict[str, Any]:
    """The whole report as one JSON record."""
    facts = read_facts(run)
    made: list[Section | None] = [registry.get("sections", name).section(run) for name in sections.in_order()]
    return {
        "schema": SCHEMA,
        "evalkit": __version__,
        "run": run.name,
        "interim": interim,
        "study": {
            "name": facts.study.name,
            "title": facts.study.title,
            "summary": facts.study.summary,
            "sha": facts.sha,
            "confidence": facts.study.analysis.confidence,
        },
        "notices": notices(run, facts, interim=interim),
        "sections": [as_record(section) for section in made if section is not None],
    }


def render(folder: Path, thumbnails: Path) -> dict[str, Any]:
    """The renderings of `folder`/report.json, the page last; returns the record that they show."""
    record: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    drawings = {f"{name}.svg": _render.standalone(svg).encode() for name, svg in _drawings(record)}
    pictures = {name: (thumbnails / name).read_bytes() for name in _pictures(record) if (thumbnails / name).is_file()}
    _fill(folder / "figures", drawings)
    _fill(folder / "pictures", pictures)
    write_text(folder / "report.md", _render.markdown(record, pictures))
    write_text(folder / "report.tex", _render.latex(record))
    write_text(folder / "index.html", _render.page(record, pictures))
    return record


def require_closed(run: Run, *, interim: bool) -> None:
    """Refuses to look into a study that is still open, unless that is asked for by name."""
    voting = run.read_json("voting.json") if run.has("voting.json") else {}
    if run.has("votes.parquet") and voting.get("closed_at", "unknown") is None and not interim:
        hint = "`evalkit vote close` first, or --interim, which every page will say"
        raise RunError("the study is still open: results are read once, after it closed", where=run.name, hint=hint)


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Writes the files, and removes those of an earlier report."""
    for name, content in files.items():
        write_bytes(folder / name, content)
    for old in folder.glob("*.*"):
        if old.name not in files and old.suffix in (".svg", ".webp"):
            old.unlink()


def _drawings(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for block in _blocks(record, "figure"):
        for place, panel in enumerate(block["panels"], start=1):
            yield f"{block['name']}-{place}", panel["svg"]


def _pictures(record: dict[str, Any]) -> list[str]:
    files = [
        picture["file"]
        for block in _blocks(record, "gallery")
        for item in block["items"]
        for picture in item["pictures"]
    ]
    return sorted({name for name in files if name and PICTURE.fullmatch(name)})


def _blocks(record: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for section in record["sections"] for block in section["blocks"] if block["kind"] == kind]
