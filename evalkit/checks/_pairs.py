"""Images of two languages that belong together: same system, prompt and number, so the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.checks._check import Material, Scored

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = ["system", "prompt_key", "image_index"]


def scored_images(material: Material, scored: Scored) -> pd.DataFrame:
    """The planned images with their `value`; those without one (missing, changed, no original text) have NaN."""
    images = material.images
    return images.assign(value=images["key"].map(dict(scored.values)).astype("float64"))


def differences(images: pd.DataFrame, lang: str, base: str) -> pd.DataFrame:
    """One row per pair of images scored in both languages: system, prompt_key, image_index, `difference` (lang - base).

    `images`: with a `value` each.
    """
    known = images[images["value"].notna()]
    sides = [known.loc[known["lang"] == side, [*TOGETHER, "value"]] for side in (lang, base)]
    both = sides[0].merge(sides[1], on=TOGETHER, suffixes=("", "_base"))
    return both.assign(difference=both["value"] - both["value_base"])


def unpaired_note(images: pd.DataFrame, pairs: pd.DataFrame, lang: str) -> str:
    """How many images of a language have no counterpart or no score; "" where all have one."""
    planned = int((images["lang"] == lang).sum())
    lacking = planned - len(pairs)
    return f"{lacking} of {planned} images left out: missing, or no score in the base language" if lacking else ""
