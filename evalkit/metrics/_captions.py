"""Captions with reference images: a table with the columns `key`, `prompt` and `image`, and the pictures beside it.

FID asks how near generated images are to real images of the same captions. Images for other prompts than those of the
reference (PartiPrompts against COCO) have a distance to it too, but that is no FID and gets no number under that name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import SpecError

SUFFIXES = (".csv", ".tsv")
COLUMNS = ("key", "image")


def captioned_pictures(table: Path) -> list[tuple[str, Path]]:
    """(prompt key, picture) of each row; `image` is a path from the table's folder.

    Raises:
        SpecError: a column or a picture is missing.
    """
    tabs = table.suffix.lower() == ".tsv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.DictReader(file)
        rows = [(reader.line_num, row) for row in reader]
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        hint = "a reference table has the columns key, prompt and image"
        raise SpecError(f"no column `{missing[0]}`", where=f"{table}:1", hint=hint)
    return [(row["key"], _picture(table, line, row["image"])) for line, row in rows]


def _picture(table: Path, line: int, named: str | None) -> Path:
    path = table.parent / (named or "")
    if not named or not path.is_file():
        hint = "`image` is a path from the table's folder"
        raise SpecError(f"no such picture: {named or '(empty)'}", where=f"{table}:{line}", hint=hint)
    return path


def other_prompts(reference: Path, asked: Iterable[str]) -> str | None:
    """Why a distance to this reference may not be called FID or KID; None where it may."""
    if reference.suffix.lower() not in SUFFIXES:
        return (
            f"{reference.name} has no captions, so whether it shows these prompts is not known: FID and KID need a "
            "reference table with the columns key, prompt and image"
        )
    known = {key for key, _ in captioned_pictures(reference)}
    strangers = [key for key in dict.fromkeys(asked) if key not in known]
    if not strangers:
        return None
    return (
        f"{len(strangers)} prompts have no image in {reference.name} ({strangers[0]}): a distance to images of other "
        "captions is not called FID or KID"
    )
