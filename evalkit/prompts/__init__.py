"""Loading of prompt sets: a file per way. `load(prompt_set, settings)` gives the prompts in file order."""

from __future__ import annotations

from collections import Counter

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt, PromptSet


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """The prompts of a set, checked: as many as declared, none empty, no (key, language) twice.

    Raises:
        SpecError: the file is not as declared, with its line.
        UnavailableError: neither file nor hub nor cache has it.
    """
    prompts: list[Prompt] = registry.get("prompts", prompt_set.loader).load(prompt_set, settings)
    if not prompts:
        raise SpecError("the prompt set is empty", where=prompt_set.source, hint="give it at least one row")
    if prompt_set.count and len(prompts) != prompt_set.count:
        raise SpecError(f"{len(prompts)} prompts where {prompt_set.count} are declared", where=prompt_set.source)
    twice = [pair for pair, n in Counter((prompt.key, prompt.lang) for prompt in prompts).items() if n > 1]
    if twice:
        raise SpecError(f"prompt {twice[0][0]!r} ({twice[0][1]}) is there twice", where=prompt_set.source)
    return prompts
