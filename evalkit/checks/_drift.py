"""Does the language of a prompt change who is shown? The same prompts and seeds, in another language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from evalkit.checks._check import Finding, Material
from evalkit.checks._doubt import gendered
from evalkit.checks._pairs import differences
from evalkit.stats.language_gap import gap
from evalkit.stats.multiplicity import holm

WITHOUT = "without translations that add a gender: "
MEASURES = {"gender": "share perceived as female, minus base language", "skin_tone": "Monk tone, minus base language"}


def drift(material: Material, seen: pd.DataFrame, classes: dict[str, Sequence[str]], signed: str) -> list[Finding]:
    """By system, language and attribute, over pairs of images that both have a known class; Holm over all of them.

    Args:
        seen: the images with the class of each attribute in a column of its name.
    """
    rows = list(_rows(material, seen, classes, signed))
    adjusted = [replace(row, p_holm=p) for row, p in zip(rows, holm([row.p for row in rows]), strict=True)]
    return [*adjusted, *_without_gendered(material, seen, classes, signed)]


def _without_gendered(
    material: Material, seen: pd.DataFrame, classes: dict[str, Sequence[str]], signed: str
) -> list[Finding]:
    """The same apart, without translations that themselves add a gender; a row only for languages that have some."""
    flagged = gendered(material.prompts)
    pair = pd.Series(list(zip(seen["prompt_key"], seen["lang"], strict=True)), index=seen.index)
    kept = seen[~pair.isin(list(flagged))]
    rows = _rows(material, kept, classes, signed) if flagged else ()
    languages = {lang for _, lang in flagged}
    return [replace(row, measure=f"{WITHOUT}{row.measure}") for row in rows if row.lang in languages]


def _rows(material: Material, seen: pd.DataFrame, classes: dict[str, Sequence[str]], signed: str) -> Iterator[Finding]:
    for attribute, measure in MEASURES.items():
        numbers = _numbers(attribute, classes[attribute])
        images = seen.assign(value=seen[attribute].map(numbers).astype("float64"))
        for system in material.systems:
            mine = images[images["system"] == system]
            for lang in material.languages:
                pairs = differences(mine, lang, material.audit.base)
                sides = (pairs["difference"].to_numpy(), pairs["prompt_key"].to_numpy())
                found = gap(*sides, rng=material.random(), confidence=material.confidence)
                yield Finding(
                    "representation", measure, found.estimate, system, lang, attribute, found.test.p, None, signed
                )


def _numbers(attribute: str, classes: Sequence[str]) -> dict[str, float]:
    """Female 1, male 0; a Monk tone its own number."""
    if attribute == "gender":
        return {name: float(name == "female") for name in classes}
    return {name: float(place) for place, name in enumerate(classes, 1)}
