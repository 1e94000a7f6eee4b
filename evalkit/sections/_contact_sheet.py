"""The same prompts across languages, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._audit import Audited, spoken
from evalkit.sections._blocks import Gallery, GalleryItem, Picture
from evalkit.sections._study import Facts
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd


def contact_sheet(run: Run, audited: Audited, facts: Facts) -> list[Gallery]:
    """One gallery: a row for each prompt and system, a picture a language. Empty where the audit chose none."""
    keys = audited.record.get("shown", [])
    if not keys or not run.has("images.parquet"):
        return []
    images = run.read_table("images.parquet", "images")
    first = images[(images["image_index"] == 0) & images["prompt_key"].isin(keys)]
    items = tuple(
        _item(first[(first["prompt_key"] == key) & (first["system"] == system)], audited, facts, system)
        for key in keys
        for system in facts.systems
    )
    return [Gallery("The same prompts across languages, same seed", tuple(item for item in items if item.pictures))]


def _item(images: pd.DataFrame, audited: Audited, facts: Facts, system: str) -> GalleryItem:
    order = [audited.base, *audited.record["controls"], *audited.languages]
    by_lang = {str(row.lang): row for row in images.itertuples()}
    pictures = tuple(
        Picture(spoken(lang), f"{by_lang[lang].key}.webp", _format.tame(str(by_lang[lang].prompt), 120))
        for lang in order
        if lang in by_lang
    )
    original = str(by_lang[audited.base].prompt) if audited.base in by_lang else ""
    return GalleryItem(f"{_format.tame(original)} · {facts.label(system)}", audited.base, pictures)
