"""NLLB-200: source language by the tokenizer, target language by the first token (NLLB team 2022, arXiv 2207.04672)."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.errors import SpecError
from evalkit.translation._seq2seq import Loaded, run

MACRO = {
    "ar": "arb_Arab",
    "az": "azj_Latn",
    "et": "est_Latn",
    "fa": "pes_Arab",
    "ko": "kor_Hang",
    "ku": "kmr_Latn",
    "lv": "lvs_Latn",
    "mn": "khk_Cyrl",
    "ms": "zsm_Latn",
    "ne": "npi_Deva",
    "no": "nob_Latn",
    "or": "ory_Orya",
    "ps": "pbt_Arab",
    "sq": "als_Latn",
    "sw": "swh_Latn",
    "uz": "uzn_Latn",
    "yi": "ydd_Hebr",
    "zh": "zho_Hans",
}
"""BCP-47 tags -> what FLORES-200 calls the member or the script that it means."""


def translate(texts: Sequence[str], lang: str, base: str, loaded: Loaded) -> list[str]:
    """Texts in `base` into `lang` (BCP-47).

    Raises:
        SpecError: the model does not know a language.
    """
    target = _token(flores(lang), lang, loaded)
    _token(flores(base), base, loaded)
    loaded.tokenizer.src_lang = flores(base)
    return run(loaded, texts, forced_bos_token_id=target)


def flores(tag: str) -> str:
    """The FLORES-200 code of a BCP-47 tag: "es" is spa_Latn, "zh-Hant" zho_Hant, "sw" swh_Latn."""
    import langcodes

    if tag in MACRO:
        return MACRO[tag]
    language = langcodes.Language.get(tag)
    return f"{language.to_alpha3()}_{language.maximize().script}"


def _token(code: str, lang: str, loaded: Loaded) -> int:
    number = loaded.tokenizer.convert_tokens_to_ids(code)
    if number is None or number == loaded.tokenizer.unk_token_id:
        raise SpecError(f"{loaded.name} does not know the language {lang!r} ({code})", hint="take another model for it")
    return int(number)
