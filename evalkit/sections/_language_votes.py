"""Votes by the language of the prompt that raters saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._audit import spoken
from evalkit.sections._blocks import Block, Column, Paragraph, Table
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots, of_pair, read_votes
from evalkit.spec.study import NEITHER
from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.estimate import Estimate
from evalkit.stats.language_gap import vote_gap
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "alignment"


def vote_blocks(run: Run, facts: Facts, base: str) -> list[Block]:
    """The alignment votes by language; a sentence where there are none, or in one language only."""
    ballots = read_votes(run, facts)
    if ballots is None or ballots.counted.empty:
        return [Paragraph("Nobody has voted on these prompts, so there is no word of people on the gap.")]
    if QUESTION not in facts.asked:
        return [Paragraph("Nobody was asked whether pictures fit their prompts: people say nothing on the gap.")]
    votes = ballots.counted[ballots.counted["question"] == QUESTION]
    spoken_ = sorted(votes["lang"].unique(), key=lambda lang: (lang != base, lang))
    if len(spoken_) < 2:
        named = spoken(spoken_[0]) if spoken_ else "no language"
        return [Paragraph(f"All pictures voted on come from prompts in {named}: people say nothing on the gap.")]
    return [_table(ballots, QUESTION, pair, spoken_, base, facts) for pair in facts.pairs]


def _table(ballots: Ballots, question: str, pair: tuple[str, str], langs: list[str], base: str, facts: Facts) -> Table:
    columns = (
        Column("Language of the prompt", align="left"),
        Column("net preference", f"{facts.confidence} interval"),
        Column("neither fits", f"{facts.confidence} interval"),
        Column(f"neither fits, minus {base}", f"points, same prompts, {facts.confidence} interval"),
        Column("votes", "n"),
        Column("prompts"),
        Column("raters"),
    )
    mine = of_pair(ballots.counted, question, *pair)
    rows = tuple(_row(mine, lang, base, facts) for lang in langs)
    title = f"{facts.question(question)} by language: {facts.label(pair[0])} against {facts.label(pair[1])}"
    note = (
        "Exploratory. Net preference: share for the first system less share for the second, in points. How often "
        "neither picture fits its prompt is people's own measure of the gap."
    )
    return Table(title, columns, rows, note)


def _row(votes: pd.DataFrame, lang: str, base: str, facts: Facts) -> tuple[str, ...]:
    mine = votes[votes["lang"] == lang]
    groups, confidence = (
        (mine["prompt_code"].to_numpy(), mine["rater_code"].to_numpy()),
        facts.study.analysis.confidence,
    )
    preference = clustered_mean(mine["outcome"].to_numpy(), *groups, confidence=confidence).estimate
    neither = clustered_share((mine["choice"] == NEITHER).to_numpy(), *groups, confidence=confidence)
    against = _against_base(votes, lang, base, confidence)
    return (
        spoken(lang),
        _format.points(preference, unit=False),
        _format.share(neither),
        "–" if against is None else _format.points(against, unit=False),
        _format.count(len(mine)),
        _format.count(preference.prompts or 0),
        _format.count(preference.raters or 0),
    )


def _against_base(votes: pd.DataFrame, lang: str, base: str, confidence: float) -> Estimate | None:
    """How much oftener neither picture fits than in the base language, on prompts judged in both; None without any."""
    both = votes[votes["lang"].isin([lang, base])]
    rated = both.assign(other=both["lang"] == lang)
    if rated.groupby("prompt_code")["other"].nunique().max() != 2:
        return None
    columns = (rated[name].to_numpy() for name in ("prompt_code", "rater_code", "other"))
    return vote_gap((rated["choice"] == NEITHER).to_numpy(), *columns, confidence=confidence)
