"""Captions with their pictures from a data set of the hub: `evalkit fetch` unpacks it into a table and a folder.

The data set's parquet files hold the pictures in the column `image` and one text for each in `caption`. The table has
the columns key, prompt and image, so it is a reference set too. A table of your own in its place stands in for the set.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.errors import SpecError, UnavailableError
from evalkit.extractors._parquet import unpacked
from evalkit.prompts import tables
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt, PromptSet
from evalkit.store.files import write_text

COLUMN = "caption"


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """The captions of the table.

    Raises:
        UnavailableError: it is not there yet.
    """
    table = settings.root / (prompt_set.table or "")
    if not table.is_file():
        hint = "`evalkit fetch STUDY`, or put a table with the columns key, prompt and image there"
        raise UnavailableError(f"{prompt_set.title}: not fetched yet", where=str(table), hint=hint)
    return tables.load(prompt_set.model_copy(update={"source": str(table)}), settings)


def is_own(table: Path) -> bool:
    """Whether a table is there that `unpack` did not write."""
    return table.is_file() and not _folder(table).startswith(f"{table.stem}@")


def is_unpacked(table: Path, revision: str) -> bool:
    """Whether `unpack` has written this revision."""
    return table.is_file() and _folder(table) == f"{table.stem}@{revision[:12]}"


def unpack(prompt_set: PromptSet, revision: str, files: Sequence[Path], table: Path) -> None:
    """Writes the pictures of parquet files beside `table`, then the table, which names them; nothing if both are there.

    Raises:
        SpecError: a file is damaged or lacks a column.
    """
    if is_own(table) or is_unpacked(table, revision):
        return
    folder = table.with_name(f"{table.stem}@{revision[:12]}")
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow(["key", "prompt", "image"])
    rows = (row for file in sorted(files) for row in _rows(file, folder))
    for number, (caption, picture) in enumerate(rows, start=1):
        writer.writerow([f"{prompt_set.name}-{number:05d}", caption, picture.relative_to(table.parent).as_posix()])
    write_text(table, content.getvalue())


def _rows(file: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    from pyarrow import parquet

    pictures = sorted(unpacked(file, folder).iterdir())
    with parquet.ParquetFile(file) as opened:
        if COLUMN not in (columns := opened.schema_arrow.names):
            raise SpecError(f"no column {COLUMN!r}", where=str(file), hint=f"it has {columns}")
        captions = opened.read(columns=[COLUMN]).column(COLUMN).to_pylist()
    return zip((str(caption or "").strip() for caption in captions), pictures, strict=True)


def _folder(table: Path) -> str:
    """The folder that the first row's picture lies in; empty where there is none."""
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            row = next(csv.DictReader(file), None) or {}
        except csv.Error:
            return ""  # no table of ours; whoever reads it says what is wrong
    return str(row.get("image") or "").partition("/")[0]
