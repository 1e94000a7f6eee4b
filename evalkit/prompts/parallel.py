"""Translations of another prompt set, in a table that `evalkit translate` or people fill."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import UnavailableError
from evalkit.prompts import tables
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt, PromptSet
from evalkit.spec.language import name_of


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """The prompts of the table, the original's language among them.

    Raises:
        UnavailableError: the table is not there, or lacks a language that the set declares: says how to get it.
    """
    path = Path(prompt_set.source)
    path = path if path.is_absolute() else settings.root / path
    found = tables.load(prompt_set, settings) if path.is_file() else []
    lacking = [lang for lang in prompt_set.languages if lang not in {prompt.lang for prompt in found}]
    if lacking:
        named = ", ".join(f"{name_of(lang)} ({lang})" for lang in lacking)
        raise UnavailableError(
            f"{prompt_set.title}: no translations yet into {named}"
            if found
            else f"{prompt_set.title}: no translations yet",
            where=str(path),
            hint="`evalkit translate` makes them with a model, `evalkit translate --import FILE` takes those of people "
            "(key, lang, text); or name fewer languages in the prompt set",
        )
    return found
