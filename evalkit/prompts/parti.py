"""PartiPrompts (Yu et al. 2022, arXiv 2206.10789): 1,632 English prompts in 12 categories and 11 challenges.

Read without quoting: the prompt that begins with `"G I G G L E"` keeps its quotes. Keys are parti-0001 ... in file
order.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from evalkit.errors import SpecError, UnavailableError
from evalkit.settings import Settings
from evalkit.spec.catalog import UNPINNED, Prompt, PromptSet

COLUMNS = ["Prompt", "Category", "Challenge"]
FILE = "PartiPrompts.tsv"
"""The data set's only file; `evalkit fetch` puts it into the hub's cache."""


def load(prompt_set: PromptSet, settings: Settings) -> list[Prompt]:
    """The prompts, from the file that EVALKIT_PARTI names, else from the hub's data set or its local cache.

    Raises:
        UnavailableError: neither is there; says where it looked and how to go on offline.
    """
    rows = _local(settings.parti) if settings.parti else _hub(prompt_set)
    return [
        Prompt(key=f"parti-{number:04d}", text=row["Prompt"], category=row["Category"], challenge=row["Challenge"])
        for number, row in enumerate(rows, start=1)
    ]


def _local(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(
            f"cannot read PartiPrompts: {error}", where=str(path), hint="check EVALKIT_PARTI"
        ) from None
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or any(rows[0].get(column) is None for column in COLUMNS):
        raise SpecError(f"not PartiPrompts: the columns must be {COLUMNS}", where=str(path))
    return rows


def _hub(prompt_set: PromptSet) -> list[dict[str, Any]]:
    if prompt_set.revision in (None, UNPINNED):
        raise UnavailableError(
            "PartiPrompts have no pinned revision yet",
            where=f"hub data set {prompt_set.source}",
            hint="`evalkit fetch` pins it once; offline: EVALKIT_PARTI=/path/to/PartiPrompts.tsv",
        )
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(prompt_set.source, FILE, revision=prompt_set.revision, repo_type="dataset")
    if isinstance(file, str):
        return _local(Path(file))
    import datasets

    try:
        found = datasets.load_dataset(
            prompt_set.source, revision=prompt_set.revision, split="train", quoting=csv.QUOTE_NONE, delimiter="\t"
        )
    except Exception as error:  # the hub client raises many kinds: offline, missing, refused
        raise UnavailableError(
            f"PartiPrompts cannot be had: {type(error).__name__}",
            where=f"hub data set {prompt_set.source} and its cache {datasets.config.HF_DATASETS_CACHE}",
            hint="get online once, or set EVALKIT_PARTI=/path/to/PartiPrompts.tsv",
        ) from error
    return list(found)
