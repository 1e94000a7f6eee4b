"""The language gap: the same prompts and seeds in another language, scored against the original text."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from evalkit.checks._check import CheckInfo, Finding, Material, Scored
from evalkit.checks._doubt import detector_name, doubts, gendered
from evalkit.checks._pairs import differences, scored_images, unpaired_note
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.equivalence import Equivalence
from evalkit.stats.language_gap import Gap, gap, share_lost, within_a_third
from evalkit.stats.multiplicity import holm

NAME = "language_gap"
ADDS_GENDER = "translations that add a gender"
info = CheckInfo(
    asks="How much less well does an image follow its prompt when the prompt is not in English?",
    limits=(
        "Each image is scored against the original text, so that the scorer's own weakness in other languages stays "
        "out; a cross-check against each language's own text has that weakness in it. A scorer sees less than people "
        "do: a gap in its points is no count of wrong pictures.",
        "A bad translation lowers the score as a bad model does. Gaps are shown with and without the translations that "
        "are in doubt.",
    ),
    citation="paired as in HEIM's multilinguality (Lee et al. 2023, arXiv 2311.04287), which has no interval",
)


def instruments(_material: Material) -> list[str]:
    """The language detector, which says what translations are in doubt, or that there is none."""
    return [detector_name()]


def check(material: Material) -> list[Finding]:
    """Per metric, system and language: mean score, gap with Holm-adjusted p, gap without doubtful translations, TOST of
    controls. Nothing where the prompts are in one language only.
    """
    return [row for scored in material.scores for row in _of_metric(material, scored)]


def _of_metric(material: Material, scored: Scored) -> list[Finding]:
    images = scored_images(material, scored)
    if not material.languages and not material.controls:
        return []
    rows = _means(material, scored, images)
    gaps, without = [], []
    for system in material.systems:
        mine = images[images["system"] == system]
        found = {lang: _gap(material, mine, lang) for lang in (*material.languages, *material.controls)}
        gaps += [_row(material, scored, system, lang, found[lang]) for lang in material.languages]
        without += _without_flagged(material, scored, system, mine)
        rows += _controls(material, scored, system, found)
        rows += [_lost(material, scored, system, mine, lang) for lang in material.languages if scored.chance]
    return [*rows, *_adjusted(gaps), *without]


def _gap(material: Material, images: pd.DataFrame, lang: str) -> Gap:
    pairs = differences(images, lang, material.audit.base)
    found = gap(
        pairs["difference"].to_numpy(),
        pairs["prompt_key"].to_numpy(),
        rng=material.random(),
        confidence=material.confidence,
    )
    notes = [found.estimate.note, unpaired_note(images, pairs, lang)]
    return replace(found, estimate=replace(found.estimate, note="; ".join(filter(None, notes)) or None))


def _row(material: Material, scored: Scored, system: str, lang: str, found: Gap, measure: str = "gap") -> Finding:
    return Finding(NAME, measure, found.estimate, system, lang, scored.metric, found.test.p, signature=scored.signature)


def _lost(material: Material, scored: Scored, system: str, images: pd.DataFrame, lang: str) -> Finding:
    chance = images.assign(chance=images["key"].map(dict(scored.chance)).astype("float64"))
    known = chance.loc[chance["lang"] == material.audit.base, ["prompt_key", "image_index", "chance"]].dropna()
    pairs = differences(images, lang, material.audit.base).merge(known, on=["prompt_key", "image_index"])
    sides = (pairs[name].to_numpy() for name in ("value_base", "value", "chance", "prompt_key"))
    lost = share_lost(*sides, confidence=material.confidence)
    return Finding(NAME, "share lost", lost, system, lang, scored.metric, signature=scored.signature)


def _adjusted(rows: list[Finding]) -> list[Finding]:
    """Holm over the languages and systems of one metric."""
    return [replace(row, p_holm=p) for row, p in zip(rows, holm([row.p for row in rows]), strict=True)]


def _means(material: Material, scored: Scored, images: pd.DataFrame) -> list[Finding]:
    known = images[images["value"].notna()]
    rows = []
    for (system, lang), part in known.groupby(["system", "lang"], sort=False):
        mean = clustered_mean(
            part["value"].to_numpy(), part["prompt_key"].to_numpy(), None, confidence=material.confidence, bounds=None
        )
        where = (str(system), str(lang), scored.metric)
        rows.append(Finding(NAME, "score", mean.estimate, *where, signature=scored.signature))
    return rows


def _without_flagged(material: Material, scored: Scored, system: str, images: pd.DataFrame) -> list[Finding]:
    """The gaps without translations in doubt, and without those that add a gender; a row only where there are some."""
    doubtful = set(doubts(material.prompts, material.audit.base, material.audit.doubtful_below))
    return [
        *_without(material, scored, system, images, doubtful, "doubtful translations", "translations in doubt"),
        *_without(material, scored, system, images, gendered(material.prompts), ADDS_GENDER, ADDS_GENDER),
    ]


def _without(
    material: Material,
    scored: Scored,
    system: str,
    images: pd.DataFrame,
    flagged: set[tuple[str, str]],
    named: str,
    told: str,
) -> list[Finding]:
    pair = pd.Series(list(zip(images["prompt_key"], images["lang"], strict=True)), index=images.index)
    rows = []
    for lang in sorted({lang for _, lang in flagged}):
        kept = images[~pair.isin(list(flagged))]
        left_out = sum(1 for _, spoken in flagged if spoken == lang)
        found = _gap(material, kept, lang)
        note = f"{left_out} {told} left out"
        found = replace(found, estimate=replace(found.estimate, note=note))
        rows.append(_row(material, scored, system, lang, found, f"gap without {named}"))
    return rows


def _controls(material: Material, scored: Scored, system: str, found: dict[str, Gap]) -> list[Finding]:
    rows = []
    for lang in material.controls:
        tested = within_a_third(found[lang], [found[other] for other in material.languages])
        rows.append(_row(material, scored, system, lang, found[lang]))
        if tested is not None:
            estimate = replace(tested.estimate, note=_verdict(tested))
            rows.append(
                Finding(
                    NAME, "equivalence", estimate, system, lang, scored.metric, tested.test.p, None, scored.signature
                )
            )
    return rows


def _verdict(tested: Equivalence) -> str:
    words = {True: "equivalent", False: "equivalence not shown", None: "no interval, so no test"}
    margin = f"{tested.margin:.3g}, a third of the smallest gap of any language, up or down"
    return f"{words[tested.equivalent]} within {margin}"
