"""Which picture file stands for which planned image: by file name, or by a table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import SpecError
from evalkit.spec.plan import PlannedImage

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


@dataclass(frozen=True)
class Matching:
    """Picture files with their planned images, and what found none."""

    matched: dict[Path, PlannedImage]
    unmatched: tuple[str, ...]
    """files, and rows of the table, in words"""


def by_name(folder: Path, planned: Sequence[PlannedImage]) -> Matching:
    """Every picture below `folder` by its stem; a stem that fits several planned images fits none."""
    names = _names(planned)
    found = {path: names.get(path.stem, []) if _is_inside(path, folder) else [] for path in _pictures(folder)}
    unmatched = [
        _within(path, folder) + (" (fits several)" if images else "")
        for path, images in found.items()
        if len(images) != 1
    ]
    matched = [(path, images[0]) for path, images in found.items() if len(images) == 1]
    return Matching(_one_each(matched, folder), tuple(unmatched))


def _names(planned: Iterable[PlannedImage]) -> dict[str, list[PlannedImage]]:
    """Stems -> planned images: KEY-K and KEY.LANG-K; KEY and KEY.LANG for number 0."""
    names: dict[str, list[PlannedImage]] = {}
    for image in planned:
        for stem in (image.prompt.key, f"{image.prompt.key}.{image.prompt.lang}"):
            names.setdefault(f"{stem}-{image.index}", []).append(image)
            if image.index == 0:
                names.setdefault(stem, []).append(image)
    return names


def by_table(table: Path, folder: Path, planned: Sequence[PlannedImage]) -> Matching:
    """The rows of a CSV table; pictures of the folder that it does not name are unmatched.

    Rows of one prompt without `index` are counted from 0.
    """
    matched: list[tuple[Path, PlannedImage]] = []
    unmatched: list[str] = []
    seen: Counter[tuple[str, str]] = Counter()
    for line, row in enumerate(_rows(table), start=2):
        path = _inside(row["file"], folder, f"{table}:{line}")
        said = (row.get("prompt_key") or row.get("prompt") or "", row.get("lang") or "")
        index = row.get("index") or str(seen[said])
        seen[said] += 1
        images = [image for image in planned if _fits(image, row) and str(image.index) == index]
        if len(images) == 1:
            matched.append((path, images[0]))
        else:
            unmatched.append(f"{row['file']} (line {line}{', fits several' if images else ''})")
    named = {path for path, _ in matched}
    unmatched += [_within(path, folder) for path in _pictures(folder) if path not in named]
    return Matching(_one_each(matched, folder), tuple(dict.fromkeys(unmatched)))


def _fits(image: PlannedImage, row: dict[str, str]) -> bool:
    prompt, lang = image.prompt, row.get("lang")
    named = prompt.key == row["prompt_key"] if row.get("prompt_key") else prompt.text == row.get("prompt", "").strip()
    return named and (not lang or prompt.lang == lang)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SpecError(f"cannot read the table: {error}", where=str(table), hint="a CSV file in UTF-8") from None
    if not rows or "file" not in rows[0] or not {"prompt_key", "prompt"} & set(rows[0]):
        raise SpecError("the table needs the columns file and prompt_key (or prompt)", where=str(table))
    return rows


def _inside(name: str, folder: Path, where: str) -> Path:
    """The file of a row; it must lie in the folder, whatever links and dots say."""
    path = folder / name
    if not name or not _is_inside(path, folder):
        raise SpecError(f"{name!r} does not lie in the folder of pictures", where=where)
    return path


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _one_each(matched: Iterable[tuple[Path, PlannedImage]], folder: Path) -> dict[Path, PlannedImage]:
    """The pairs as a mapping; two pictures for one image, or one picture twice, are an error."""
    pairs: dict[Path, PlannedImage] = {}
    taken: dict[int, Path] = {}
    for path, image in matched:
        if path in pairs or id(image) in taken:
            other = _within(taken.get(id(image), path), folder)
            hint = "remove one, or tell them apart with -0, -1, ..."
            raise SpecError(f"{other} and {_within(path, folder)} are for the same image", where=str(folder), hint=hint)
        pairs[path], taken[id(image)] = image, path
    return pairs


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
