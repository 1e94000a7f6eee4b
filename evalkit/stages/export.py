"""`evalkit export`: the raw data of a closed study for others, from the run folder (and its pictures)."""

from __future__ import annotations

import json
from pathlib import Path

from evalkit import __version__
from evalkit.exports import codebook, croissant, hub, tables
from evalkit.outcome import Outcome, Progress, silent
from evalkit.sections._notices import notices
from evalkit.sections._study import Facts, read_facts
from evalkit.settings import Settings
from evalkit.store.files import write_bytes, write_text
from evalkit.store.run import Run

LICENCE = "other"
UNKNOWN_LICENCE = "https://spdx.org/licenses/NOASSERTION.html"


def export(
    run: Run, settings: Settings, *, out: Path | None = None, hub_layout: bool = False, progress: Progress = silent
) -> Outcome:
    """Writes every table as CSV, Parquet and JSONL, with codebook.md and croissant.json, into `out`.

    Args:
        out: default EXPORTS/RUN beside the reports.
        hub_layout: also the pictures, as images/train/ with metadata.jsonl, and a dataset card.

    Raises:
        RunError: the study is still open, the run holds no table, or a picture is not there.
    """
    facts, found = read_facts(run), tables.read(run)
    folder = out or settings.root / "exports" / run.name
    contents = {(name, kind): tables.written(found[name], kind) for name in found for kind in tables.FORMATS}
    for (name, kind), content in contents.items():
        write_bytes(folder / f"{name}.{kind}", content)
    columns = {name: [str(column) for column in table.columns] for name, table in found.items()}
    said = notices(run, facts)
    write_text(folder / "codebook.md", codebook.as_markdown(columns))
    about = _about(run, facts, said)
    record = croissant.metadata(about, {name: contents[name, "csv"] for name in found}, columns)
    write_text(folder / "croissant.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    pictures = 0
    if hub_layout:
        if "images" in found:
            pictures = hub.write(folder, found["images"], found.get("scores"), settings.images_dir, progress)
        write_text(folder / "README.md", hub.card(folder.name, about["description"], LICENCE, list(found)))
    rows = {name: len(table) for name, table in found.items()}
    counted = ", ".join(f"{n:,} {name}" for name, n in rows.items())
    shown = f" and {pictures:,} pictures" if pictures else ""
    return Outcome(f"{counted}{shown}", where=folder, facts={"rows": rows, "pictures": pictures}, warnings=tuple(said))


def _about(run: Run, facts: Facts, said: list[str]) -> dict[str, str]:
    """Name, description and origin of the data; notices (simulated, miniature) are part of the description."""
    stages = run.read_json("manifest.json")["stages"] if run.has("manifest.json") else []
    text = " ".join([facts.study.title.rstrip(".") + ".", facts.study.summary, *said]).strip()
    return {
        "name": run.name,
        "description": text,
        "license": UNKNOWN_LICENCE,
        "url": f"urn:sha256:{facts.sha}",
        "version": __version__,
        "date": str(stages[-1]["finished_at"])[:10] if stages else "1970-01-01",
        "cite": f"Study {facts.study.name}, SHA-256 {facts.sha}, made with evalkit {__version__}.",
    }
