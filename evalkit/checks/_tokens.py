"""How a system's own tokenizer cuts up a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError

REPLACEMENT = "\ufffd"
USUAL_CONTEXT = 77


@dataclass(frozen=True)
class Cut:
    """One prompt as tokens: how many (start and end included), how many the text encoder does not see, how many say
    nothing whole (unknown, or a piece of one character).
    """

    tokens: int
    excess: int
    broken: int

    @property
    def content(self) -> int:
        return self.tokens - 2


def cuts(texts: Sequence[str], folder: Path) -> list[Cut]:
    """Every text by the tokenizer in `folder` (transformers' layout).

    Raises:
        ModelError: there is no tokenizer that can be read.
    """
    tokenizer = _load(folder)
    longest = tokenizer.model_max_length if tokenizer.model_max_length < 100_000 else USUAL_CONTEXT
    return [_cut(text, tokenizer, longest) for text in texts]


def _cut(text: str, tokenizer: Any, longest: int) -> Cut:
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    words = tokenizer.convert_ids_to_tokens(ids)
    unknown = tokenizer.unk_token_id
    broken = sum(
        token == unknown or REPLACEMENT in tokenizer.convert_tokens_to_string([word])
        for token, word in zip(ids, words, strict=True)
    )
    return Cut(len(ids) + 2, max(0, len(ids) + 2 - longest), broken)


def _load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder)
    except ImportError:
        raise
    except Exception as error:  # a damaged or absent tokenizer raises many kinds
        raise ModelError(f"the tokenizer cannot be read: {type(error).__name__}", where=str(folder)) from error
