"""Translations: where they come from, who has read them, and which of them are in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.checks._check import CheckInfo, Finding, Material
from evalkit.checks._doubt import READ_BY_PEOPLE, detector_name, doubts
from evalkit.spec.catalog import Prompt
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson

NAME = "translation_quality"
info = CheckInfo(
    asks="Is it the model that fails, or the translation?",
    limits=(
        "Similarity of a back-translation finds lost meaning, not bad style; a machine that errs the same way twice is "
        "not caught. A translation can also add a gender that the original "
        "leaves open: known only where a reader has said so (column `gendered` of the review sheet).",
        "A language detector is unsure of a few words; only what is clearly another language counts as doubt.",
    ),
)


def instruments(_material: Material) -> list[str]:
    """The language detector, or that there is none."""
    return [detector_name()]


def check(material: Material) -> list[Finding]:
    """By language: share in doubt, share that a person has read, mean similarity of back-translations."""
    doubtful = doubts(material.prompts, material.audit.base, material.audit.doubtful_below)
    rows = []
    for lang in material.languages:
        mine = [prompt for prompt in material.prompts if prompt.lang == lang]
        named = [f"{key}: {why}" for (key, spoken), why in doubtful.items() if spoken == lang]
        read = sum(prompt.status in READ_BY_PEOPLE for prompt in mine)
        in_doubt = _share(material, len(named), len(mine), "; ".join(named))
        rows += [
            Finding(NAME, "in doubt", in_doubt, lang=lang, signature=detector_name()),
            Finding(NAME, "read by people", _share(material, read, len(mine), _sources(mine)), lang=lang),
            *_similarity(material, lang, mine),
            *_gendered(material, lang, mine),
        ]
    return rows


def _gendered(material: Material, lang: str, prompts: Sequence[Prompt]) -> list[Finding]:
    """The share of translations that add a gender, of those of which a reader could say; [] where there are none."""
    told = [prompt for prompt in prompts if prompt.gendered in ("yes", "no")]
    flagged = [prompt.key for prompt in told if prompt.gendered == "yes"]
    if not told:
        return []
    note = f"not known of {len(prompts) - len(told)} more" + (f"; {', '.join(flagged)}" if flagged else "")
    return [Finding(NAME, "adds a gender", _share(material, len(flagged), len(told), note), lang=lang)]


def _share(material: Material, hits: int, n: int, note: str) -> Estimate:
    return replace(wilson(hits, n, confidence=material.confidence), prompts=n, note=note or None)


def _similarity(material: Material, lang: str, prompts: Sequence[Prompt]) -> list[Finding]:
    known = [(prompt.key, prompt.similarity) for prompt in prompts if prompt.similarity is not None]
    if not known:
        return []
    keys, values = zip(*known, strict=True)
    mean = clustered_mean(values, keys, None, confidence=material.confidence)
    return [Finding(NAME, "similarity of back-translations", mean.estimate, lang=lang)]


def _sources(prompts: Sequence[Prompt]) -> str:
    told = (" ".join(filter(None, (p.source, p.translator, p.revision[:12]))) for p in prompts)
    return "; ".join(filter(None, dict.fromkeys(told)))
