"""What the text encoder sees of a prompt: tokens per word, what is cut off, what means nothing; and the gap with it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.checks._check import CheckInfo, Finding, Material, Scored
from evalkit.checks._pairs import differences, scored_images
from evalkit.checks._tokens import Cut, cuts
from evalkit.spec.fingerprint import folder_digest
from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.covariates import Regression, regress
from evalkit.stats.estimate import Estimate

NAME = "tokenisation"
COVARIATES = {
    "log2_ratio": "gap per doubling of the number of tokens",
    "broken": "gap where every token means nothing whole",
}
MEANS = {"tokens per word": "per_word", "share of tokens that mean nothing whole": "broken"}
info = CheckInfo(
    asks="Does the model get to see the prompt at all, and how much of the gap goes with how it is cut up?",
    limits=(
        "Tokens are counted per word of the original prompt, since Chinese and Japanese do not part words by spaces.",
        "That a gap goes with tokenisation does not make it the cause: languages that a tokenizer cuts up are also "
        "those that a model has seen least of.",
    ),
    citation="Petrov, La Malfa, Torr, Bibi 2023, arXiv 2305.15425 (tokenisation parity)",
)


def instruments(material: Material) -> list[str]:
    """The tokenizers that are at hand."""
    return [f"{system}: {folder_digest(folder)}" for system, folder in sorted(material.tokenizers.items())]


def check(material: Material) -> list[Finding]:
    """By system and language: tokens per word, broken tokens, prompts cut off; then a regression a metric."""
    rows: list[Finding] = []
    for system, folder in material.tokenizers.items():
        table = token_table(material, cuts([prompt.text for prompt in material.prompts], folder))
        for lang, part in table.groupby("lang", sort=False):
            rows += _of_language(material, system, str(lang), part)
        for scored in material.scores:
            rows += _regression(material, system, scored, table)
    return rows


def token_table(material: Material, found: list[Cut]) -> pd.DataFrame:
    """One row per prompt with an original: lang, prompt_key, per_word (tokens per word of the original), log2_ratio (to
    the original's tokens), cut (tokens are lost), broken (share of tokens).
    """
    both = list(zip(material.prompts, found, strict=True))
    originals = {p.key: (cut, len(p.text.split())) for p, cut in both if p.lang == material.audit.base}
    rows = [_token_row(p.key, p.lang, cut, *originals[p.key]) for p, cut in both if p.key in originals]
    return pd.DataFrame(rows, columns=["prompt_key", "lang", "per_word", "log2_ratio", "cut", "broken"])


def _token_row(key: str, lang: str, cut: Cut, original: Cut, words: int) -> tuple[str, str, float, float, float, float]:
    ratio = float(np.log2(max(cut.content, 1) / max(original.content, 1)))
    return key, lang, cut.content / max(words, 1), ratio, float(cut.excess > 0), cut.broken / max(cut.content, 1)


def _of_language(material: Material, system: str, lang: str, part: pd.DataFrame) -> list[Finding]:
    keys, confidence = part["prompt_key"].to_numpy(), material.confidence
    found = {
        measure: clustered_mean(part[column].to_numpy(), keys, None, confidence=confidence, bounds=None).estimate
        for measure, column in MEANS.items()
    }
    found["prompts cut off"] = clustered_share(part["cut"].to_numpy(), keys, None, confidence=confidence)
    return [Finding(NAME, measure, estimate, system, lang) for measure, estimate in found.items()]


def _regression(material: Material, system: str, scored: Scored, table: pd.DataFrame) -> list[Finding]:
    """Gap of each prompt and language on log2 of its token ratio and its share of broken tokens."""
    images = scored_images(material, scored)
    mine = images[images["system"] == system]
    parts = [differences(mine, lang, material.audit.base).assign(lang=lang) for lang in material.languages]
    gaps = pd.concat(parts) if parts else pd.DataFrame()
    if gaps.empty:
        return []
    by_prompt = gaps.groupby(["prompt_key", "lang"], as_index=False)["difference"].mean()
    rows = by_prompt.merge(table, on=["prompt_key", "lang"])
    varying = [name for name in COVARIATES if rows[name].std() > 1e-9]
    fit = regress(
        rows["difference"].to_numpy(),
        rows[varying].to_numpy(),
        rows["prompt_key"].to_numpy(),
        rows["lang"].to_numpy(),
        confidence=material.confidence,
    )
    found = _numbers(fit, varying, float(rows["difference"].mean()))
    return [
        Finding(NAME, measure, value, system, "", scored.metric, signature=scored.signature)
        for measure, value in found.items()
    ]


def _numbers(fit: Regression, varying: list[str], mean: float) -> dict[str, Estimate]:
    left = fit.intercept
    found = {"gap left at the tokens of the original": left}
    found |= {COVARIATES[name]: slope for name, slope in zip(varying, fit.slopes, strict=True)}
    described = {"share of variance that goes with tokenisation": fit.r_squared}
    if left.value is not None and mean:
        described["share of the mean gap that goes with tokenisation"] = 1 - left.value / mean
    note = "describes these prompts: no interval"
    return found | {
        measure: Estimate(value, None, None, left.n, left.method, left.prompts, note=note)
        for measure, value in described.items()
        if value is not None
    }
