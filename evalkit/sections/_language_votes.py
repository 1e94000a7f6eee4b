"""Votes by the language of the prompt that raters saw."""

from __future__ import annotations

import numpy as np

from evalkit.sections import _format
from evalkit.sections._audit import spoken
from evalkit.sections._blocks import Block, Column, Paragraph, Table
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots, of_pair, read_votes
from evalkit.spec.study import NEITHER
from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.language_gap import gap
from evalkit.store.run import Run

QUESTION = "alignment"


def vote_blocks(run: Run, facts: Facts, base: str) -> list[Block]:
    """The alignment votes by language; a sentence where there are none, or in one language only."""
    ballots = read_votes(run, facts)
    question = QUESTION if QUESTION in facts.asked else next(iter(facts.asked), "")
    if ballots is None or ballots.counted.empty or not question:
        return [Paragraph("Nobody has voted on these prompts, so there is no word of people on the gap.")]
    votes = ballots.counted[ballots.counted["question"] == question]
    spoken_ = sorted(votes["lang"].unique(), key=lambda lang: (lang != base, lang))
    if len(spoken_) < 2:
        named = spoken(spoken_[0]) if spoken_ else "no language"
        return [Paragraph(f"All votes are on prompts in {named}: people say nothing on the gap.")]
    return [_table(ballots, question, pair, spoken_, base, facts) for pair in facts.pairs]


def _table(ballots: Ballots, question: str, pair: tuple[str, str], langs: list[str], base: str, facts: Facts) -> Table:
    columns = (
        Column("Language of the prompt", align="left"),
        Column("net preference", f"{facts.confidence} interval"),
        Column("neither fits", f"{facts.confidence} interval"),
        Column(f"neither fits, minus {base}", "points, same prompts"),
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


def _row(votes: object, lang: str, base: str, facts: Facts) -> tuple[str, ...]:
    import pandas as pd

    assert isinstance(votes, pd.DataFrame)
    mine = votes[votes["lang"] == lang]
    groups, confidence = (
        (mine["prompt_code"].to_numpy(), mine["rater_code"].to_numpy()),
        facts.study.analysis.confidence,
    )
    preference = clustered_mean(mine["outcome"].to_numpy(), *groups, confidence=confidence).estimate
    neither = clustered_share((mine["choice"] == NEITHER).to_numpy(), *groups, confidence=confidence)
    rates = votes.assign(neither=(votes["choice"] == NEITHER).astype(float))
    by_prompt = rates.pivot_table(index="prompt_code", columns="lang", values="neither", aggfunc="mean")
    both = by_prompt[[lang, base]].dropna() if lang != base and base in by_prompt else by_prompt.iloc[:0]
    against = (
        gap((both[lang] - both[base]).to_numpy(), both.index.to_numpy(), rng=np.random.default_rng(0)).estimate
        if len(both)
        else None
    )
    return (
        spoken(lang),
        _format.points(preference, unit=False),
        _format.share(neither),
        _format.points(against, unit=False) if against is not None else "–",
        _format.count(len(mine)),
        _format.count(preference.prompts or 0),
        _format.count(preference.raters or 0),
    )
