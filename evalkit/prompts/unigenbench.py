"""UniGenBench: the same prompts in English and Chinese, from its own two CSV files (test_prompts_en.csv, ..._zh.csv).

Wang et al. 2025, arXiv 2510.18701; CC BY 4.0. Keys are unigenbench-0000 ... by its index; the category is the
primary one of the English file.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from evalkit.errors import SpecError, UnavailableError
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt, PromptSet

LANGUAGES = ("en", "zh")


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """Both languages, English first; from the folder that EVALKIT_UNIGENBENCH names, else from the set's own `source`.

    Raises:
        UnavailableError: the files are not there.
        SpecError: they are not parallel: an index in one language only.
    """
    folder = settings.unigenbench or settings.root / prompt_set.source
    rows = {lang: _rows(folder / f"test_prompts_{lang}.csv", lang) for lang in LANGUAGES}
    if odd := set(rows["en"]) ^ set(rows["zh"]):
        raise SpecError(f"index {sorted(odd)[0]} is in one language only", where=str(folder))
    categories = {index: _category(row["sub_dims_en"]) for index, row in rows["en"].items()}
    return [_prompt(index, lang, row, categories[index]) for lang in LANGUAGES for index, row in rows[lang].items()]


def _prompt(index: int, lang: str, row: dict[str, str], category: str) -> Prompt:
    source = {"source": "original"} if lang == "en" else {"source": "parallel", "translator": "UniGenBench"}
    return Prompt(key=f"unigenbench-{index:04d}", text=row[f"prompt_{lang}"], lang=lang, category=category, **source)


def _rows(path: Path, lang: str) -> dict[int, dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = "set EVALKIT_UNIGENBENCH to the folder of its two CSV files"
        raise UnavailableError(f"cannot read UniGenBench: {error}", where=str(path), hint=hint) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    wanted = {"index", f"prompt_{lang}", f"sub_dims_{lang}"}
    if missing := wanted - set(reader.fieldnames or ()):
        raise SpecError(f"not UniGenBench: no column {sorted(missing)[0]!r}", where=str(path))
    return {int(row["index"]): row for row in reader}


def _category(dimensions: str) -> str:
    try:
        told: Any = json.loads(dimensions)
    except ValueError:
        return ""
    return str(told.get("Primary Categories", "")) if isinstance(told, dict) else ""
