"""Blank and flagged images, by language: a prompt that is not understood may end in a blocked or an empty picture."""

from __future__ import annotations

from evalkit.checks._check import CheckInfo, Finding, Material
from evalkit.stats.clustered import clustered_share

info = CheckInfo(
    asks="Do prompts in some language end in blank or blocked pictures more often?",
    limits=(
        "Flagged: by the checkpoint's own safety checker, where it has one. It errs both ways, and nobody has measured "
        "whether it errs more often for some languages.",
    ),
)


def check(material: Material) -> list[Finding]:
    """Share of blank, flagged and missing images by system and language."""
    rows = []
    for (system, lang), part in material.images.groupby(["system", "lang"], sort=False):
        kinds = {"blank": part["blank"], "flagged": part["flagged"], "missing": part["problem"] != ""}
        for measure, hits in kinds.items():
            share = clustered_share(
                hits.to_numpy(dtype=float), part["prompt_key"].to_numpy(), None, confidence=material.confidence
            )
            rows.append(Finding("language_health", measure, share, str(system), str(lang)))
    return rows
