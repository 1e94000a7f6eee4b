"""From the record of a report to its files: report.json first, and from that alone every rendering."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.sections import _csv, _latex, _render
from evalkit.store.files import write_bytes, write_text

SCHEMA = "evalkit-report/1"
PICTURE = re.compile(r"[A-Za-z0-9._-]{1,100}\.webp")


def publish(record: dict[str, Any], folder: Path, thumbnails: Path) -> dict[str, Any]:
    """Writes the record and all its renderings; gives the record back as it was written.

    report.json · index.html · report.md · report.tex, tables.tex · figures/ (SVG, PDF) · pictures/ · tables/ (CSV)
    """
    write_text(folder / "report.json", json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return render(folder, thumbnails)


def render(folder: Path, thumbnails: Path) -> dict[str, Any]:
    """The renderings of `folder`/report.json, the page last; returns the record that they show."""
    record: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    drawings = dict(_drawings(record))
    svgs = {f"{name}.svg": _render.standalone(svg).encode() for name, svg in drawings.items()}
    pdfs = {f"{name}.pdf": _latex.as_pdf(svg) for name, svg in drawings.items()}
    pictures = {name: (thumbnails / name).read_bytes() for name in _pictures(record) if (thumbnails / name).is_file()}
    _fill(folder / "figures", svgs | pdfs)
    _fill(folder / "pictures", pictures)
    _fill(folder / "tables", {name: text.encode() for name, text in _csv.files(record).items()})
    write_text(folder / "report.md", _render.markdown(record, pictures))
    for name, text in _latex.files(record).items():
        write_text(folder / name, text)
    write_text(folder / "index.html", _render.page(record, pictures))
    return record


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Writes the files, and removes those of an earlier report."""
    for name, content in files.items():
        write_bytes(folder / name, content)
    for old in folder.glob("*.*"):
        if old.name not in files and old.suffix in (".svg", ".pdf", ".webp", ".csv"):
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
