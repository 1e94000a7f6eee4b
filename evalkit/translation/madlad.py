"""MADLAD-400: the target language as a token before the text (Kudugunta et al. 2023, arXiv 2309.04662)."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.errors import SpecError
from evalkit.translation._seq2seq import Loaded, run


def translate(texts: Sequence[str], lang: str, base: str, loaded: Loaded) -> list[str]:
    """Texts (in any language: the model finds out) into `lang` (BCP-47).

    Raises:
        SpecError: the model does not know the language.
    """
    mark = f"<2{lang}>"
    number = loaded.tokenizer.convert_tokens_to_ids(mark)
    if number is None or number == loaded.tokenizer.unk_token_id:
        raise SpecError(f"{loaded.name} does not know the language {lang!r} ({mark})", hint="take another model for it")
    return run(loaded, [f"{mark} {text}" for text in texts])
