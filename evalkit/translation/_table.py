"""The file of a parallel prompt set: written whole, original first, one row a prompt and language."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from evalkit.errors import SpecError
from evalkit.spec.catalog import Prompt
from evalkit.store.files import write_text

TRANSLATION = ("source", "translator", "revision", "status", "similarity", "gendered")
HEAD = ("key", "text", "lang", "category", "challenge", *TRANSLATION)
SHEET = ("key", "lang", "original", "text", "similarity", "source", "verdict", "corrected", "reader", "gendered")
LATER = {"gendered"}
"""Columns that sheets of earlier versions lack."""
GENDERED = ("", "yes", "no", "unknown")
VERDICTS = {"ok": "checked", "doubtful": "doubtful"}


def write_prompts(path: Path, prompts: Iterable[Prompt]) -> None:
    """Writes a prompt set as CSV."""
    write_text(path, _csv(HEAD, ([_cell(getattr(prompt, name)) for name in HEAD] for prompt in prompts)))


def write_sheet(path: Path, prompts: Sequence[Prompt], base: str) -> int:
    """Writes the review sheet: what no person has read yet. A reader fills `verdict` (ok, doubtful) or `corrected`.

    And `gendered`: does the translation, corrected or not, name a gender that the original leaves open (yes, no,
    unknown)?
    """
    originals = {prompt.key: prompt.text for prompt in prompts if prompt.lang == base}
    open_ = [p for p in prompts if p.lang != base and p.status not in ("human", "checked")]
    rows = (
        [p.key, p.lang, originals.get(p.key, ""), p.text, _cell(p.similarity), p.source, "", "", "", p.gendered]
        for p in open_
    )
    write_text(path, _csv(SHEET, rows))
    return len(open_)


def read_sheet(path: Path, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts with what readers said of them: ok -> checked, a corrected text -> human, doubtful -> doubtful.

    Raises:
        SpecError: a row of another prompt set, a text that has changed since, an unknown verdict; with its line.
    """
    found = {(prompt.key, prompt.lang): prompt for prompt in prompts}
    for line, row in _rows(path):
        where = f"{path}:{line}"
        prompt = found.get((row["key"], row["lang"]))
        if prompt is None:
            raise SpecError(f"no prompt {row['key']!r} in {row['lang']!r}", where=where, hint="make the sheet again")
        if row["text"] != prompt.text:
            raise SpecError("the text is not the one that was to be read", where=where, hint="make the sheet again")
        found[prompt.key, prompt.lang] = _read(prompt, row, where)
    return list(found.values())


def _read(prompt: Prompt, row: dict[str, str], where: str) -> Prompt:
    verdict, corrected, reader = (row[name].strip() for name in ("verdict", "corrected", "reader"))
    if verdict.lower() not in ("", *VERDICTS):
        raise SpecError(f"verdict {verdict!r} is unknown", where=where, hint="ok, doubtful, or a corrected text")
    prompt = prompt.model_copy(update={"gendered": _gendered(row, where) or prompt.gendered})
    if corrected:
        change = {"text": corrected, "source": "human", "status": "human", "similarity": None, "revision": ""}
        return prompt.model_copy(update=change | {"translator": reader or "a reader"})
    if verdict:
        return prompt.model_copy(update={"status": VERDICTS[verdict.lower()]})
    return prompt


def _gendered(row: dict[str, str], where: str) -> str:
    told = row["gendered"].strip().lower()
    if told not in GENDERED:
        hint = "yes, no or unknown: does the translation name a gender that the original leaves open?"
        raise SpecError(f"gendered {told!r} is unknown", where=where, hint=hint)
    return told


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the review sheet: {error}", where=str(path), hint="CSV in UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if missing := set(SHEET) - LATER - set(reader.fieldnames or ()):
        raise SpecError(f"the sheet has no column {sorted(missing)[0]!r}", where=f"{path}:1", hint=f"columns: {SHEET}")
    try:
        return [(reader.line_num, {name: row.get(name) or "" for name in SHEET}) for row in reader]
    except csv.Error as error:
        raise SpecError(f"not a valid table: {error}", where=f"{path}:{reader.line_num}") from None


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return content.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else str(value)
