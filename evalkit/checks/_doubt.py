"""Translations that may be at fault themselves, so that their faults are told apart from the model's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from evalkit.spec.catalog import Prompt

READ_BY_PEOPLE = ("checked", "human")
SURE, HARDLY = 0.6, 0.1
"""The detector contradicts a tag where it is so sure of another language and gives the tag so little."""


def doubts(prompts: Sequence[Prompt], base: str, threshold: float) -> dict[tuple[str, str], str]:
    """(key, language) -> why the translation is doubtful. What a person has read and passed is never doubtful."""
    originals = {prompt.key: prompt.text for prompt in prompts if prompt.lang == base}
    others = [prompt for prompt in prompts if prompt.lang.split("-")[0] != base.split("-")[0]]
    contradicted = dict(contradictions(others))
    found = {}
    for prompt in others:
        if why := _why(prompt, originals.get(prompt.key), contradicted.get((prompt.key, prompt.lang), ""), threshold):
            found[prompt.key, prompt.lang] = why
    return found


def gendered(prompts: Sequence[Prompt]) -> set[tuple[str, str]]:
    """(key, language) of translations that name a gender which the original leaves open, as their readers say."""
    return {(prompt.key, prompt.lang) for prompt in prompts if prompt.gendered == "yes"}


def _why(prompt: Prompt, original: str | None, contradicted: str, threshold: float) -> str:
    if prompt.status == "doubtful":
        return "marked by a reader"
    if prompt.status in READ_BY_PEOPLE:
        return ""
    if prompt.text == original:
        return "the same text as the original"
    if prompt.similarity is not None and prompt.similarity < threshold:
        return f"back-translation similarity {prompt.similarity:.2f}"
    return contradicted


def contradictions(prompts: Sequence[Prompt]) -> list[tuple[tuple[str, str], str]]:
    """Prompts that a language detector takes for another of the study's languages (lingua); none without lingua.

    A short prompt can belong to two languages: only what is clearly another one counts.
    """
    tags = sorted({prompt.lang.split("-")[0] for prompt in prompts})
    detector = _detector(tuple(tags)) if len(tags) > 1 else None
    if detector is None:
        return []
    found = []
    for prompt in prompts:
        spoken = {value.language.iso_code_639_1.name.lower(): value.value for value in _spoken(detector, prompt.text)}
        likeliest = max(spoken, key=lambda tag: spoken[tag], default="")
        tag = prompt.lang.split("-")[0]
        if tag in spoken and likeliest != tag and spoken[likeliest] > SURE and spoken[tag] < HARDLY:
            found.append(((prompt.key, prompt.lang), f"reads as {likeliest} ({spoken[likeliest]:.0%})"))
    return found


def _spoken(detector: Any, text: str) -> Any:
    return detector.compute_language_confidence_values(text)


@lru_cache(maxsize=4)
def _detector(tags: tuple[str, ...]) -> Any:
    try:
        from lingua import IsoCode639_1, LanguageDetectorBuilder
    except ImportError:
        return None
    known = [getattr(IsoCode639_1, tag.upper()) for tag in (*tags, "en") if hasattr(IsoCode639_1, tag.upper())]
    known = list(dict.fromkeys(known))
    return LanguageDetectorBuilder.from_iso_codes_639_1(*known).build() if len(known) > 1 else None


def detector_name() -> str:
    """The detector with its version, or that there is none."""
    from importlib import metadata

    try:
        return f"lingua {metadata.version('lingua-language-detector')}"
    except metadata.PackageNotFoundError:
        return "no language detector installed"
