"""Prompt sets in CSV, TSV or JSONL files with the columns key, prompt, lang, category, challenge.

Translations have more: source, translator, revision, status, similarity, gendered. `text` is another word for `prompt`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt, PromptSet

COLUMNS = ("key", "prompt", "lang", "category", "challenge")
MOST_BYTES = 1_000_000_000
TRANSLATION = ("source", "translator", "revision", "status", "similarity", "gendered")


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """The prompts of a table, in file order. `key` defaults to NAME-0001 ..., `lang` to the set's first language."""
    path = Path(prompt_set.source)
    path = path if path.is_absolute() else settings.root / path
    return [_prompt(row, number, line, path, prompt_set) for number, (line, row) in enumerate(_rows(path), start=1)]


def _prompt(row: dict[str, Any], number: int, line: int, path: Path, prompt_set: PromptSet) -> Prompt:
    where = f"{path}:{line}"
    if not str(row.get("prompt") or "").strip():
        raise SpecError("the prompt is empty", where=where, hint="fill the column `prompt`, or remove the row")
    key = str(row.get("key") or f"{prompt_set.name}-{number:04d}")
    try:
        return Prompt(
            key=key,
            text=row["prompt"],
            lang=row.get("lang") or prompt_set.languages[0],
            category=row.get("category") or "",
            challenge=row.get("challenge") or "",
            **{name: row[name] for name in TRANSLATION if row.get(name) not in (None, "")},
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise SpecError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", where=where) from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        hint = "the card in data/prompts/ says in its notes where the table comes from"
        raise SpecError("the table of prompts is not there", where=str(path), hint=hint)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SpecError(f"the table is larger than {MOST_BYTES:,} bytes", where=str(path), hint="split it up")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read prompts: {error}", where=str(path), hint="UTF-8 text is expected") from None
    yield from _jsonl(text, path) if path.suffix.lower() == ".jsonl" else _table(text, path)


def _table(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    tabs = path.suffix.lower() == ".tsv"
    lines = io.StringIO(text, newline="")
    if tabs:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.DictReader(lines, strict=True)
    csv.field_size_limit(1_000_000)
    try:
        head = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise SpecError(f"not a valid table: {error}", where=f"{path}:1") from None
    reader.fieldnames = head if "prompt" in head else ["prompt" if name == "text" else name for name in head]
    if "prompt" not in reader.fieldnames:
        columns = ", ".join(reader.fieldnames) or "none"
        raise SpecError(f"no column `prompt` (columns: {columns})", where=f"{path}:1", hint=f"name them {COLUMNS}")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise SpecError("the row has not as many cells as the head", where=f"{path}:{reader.line_num}")
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise SpecError(f"not a valid table: {error}", where=f"{path}:{reader.reader.line_num}") from None


def _jsonl(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"not valid JSON: {error}", where=f"{path}:{number}") from None
        if not isinstance(row, dict):
            raise SpecError("each line must be one JSON object", where=f"{path}:{number}")
        yield number, {"prompt": row.get("text"), **row}
