"""The raters: one by one under random names, what their golds say, and the result without leaving anybody out."""

from __future__ import annotations

from dataclasses import replace

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Paragraph, Table
from evalkit.sections._rows import Row
from evalkit.sections._study import Facts, read_voting
from evalkit.sections._votes import Ballots, Contrast, contrasts
from evalkit.stats.clustered import clustered_share
from evalkit.stats.proportion import wilson
from evalkit.store.run import Run

SHOWN_RATERS = 40
NO_RULE = "The study has no rule to leave out votes"


def gold_rows(ballots: Ballots, facts: Facts) -> list[Row]:
    """Share of golds answered as known, by question; empty without golds. Excluded raters are in: golds judge all."""
    rows = []
    for question in facts.asked:
        golds = ballots.cast[(ballots.cast["question"] == question) & (ballots.cast["kind"] == "gold")]
        if golds.empty:
            continue
        groups = golds["prompt_code"].to_numpy(), golds["rater_code"].to_numpy()
        right = (golds["choice"] == "a").to_numpy()
        found = clustered_share(right, *groups, confidence=facts.study.analysis.confidence)
        rows.append(Row(facts.question(question), f"{question}/golds answered as known", found))
    return rows


def exclusion_blocks(run: Run, ballots: Ballots, facts: Facts) -> list[Block]:
    """The planned result beside the one with every rater's votes; a sentence where nobody was left out."""
    said = _format.listed(rules_in_words(run))
    voted = ballots.raters[ballots.raters["n_votes"] > 0]
    if not (voted["excluded_because"] != "").any():
        planned = f"The rules fixed before the first vote ({said}) left nobody out" if said else NO_RULE
        return [Paragraph(f"{planned}: the results stand on every rater's votes.")]
    every = contrasts(_with_everybody(ballots), facts)
    pairs = zip(contrasts(ballots, facts), every, strict=True)
    unit = f"points, {facts.confidence} interval"
    columns = (
        Column("Question and pair", align="left"),
        Column("as planned", unit, group="excluded raters left out"),
        Column("votes", "n", group="excluded raters left out"),
        Column("p", group="excluded raters left out"),
        Column("value", unit, group="nobody left out"),
        Column("votes", "n", group="nobody left out"),
        Column("p", group="nobody left out"),
    )
    cells = tuple((_name(kept, facts), *_cells(kept), *_cells(other)) for kept, other in pairs)
    note = f"Rules fixed before the first vote: {said}." if said else "p: headline test, not adjusted."
    return [Table("Net preference with and without exclusions", columns, cells, note)]


def rules_in_words(run: Run) -> list[str]:
    """The rules of exclusion as they were frozen."""
    rules = read_voting(run).get("exclusions") or {}
    return [told if isinstance(told, str) else f"{rule.replace('_', ' ')} {told:g}" for rule, told in rules.items()]


def _with_everybody(ballots: Ballots) -> Ballots:
    """The same votes counted as if no rater had been excluded."""
    votes = ballots.cast[ballots.cast["kind"] == "vote"]
    if not bool(votes["simulated"].all()):
        votes = votes[~votes["simulated"]]
    return replace(ballots, counted=votes.reset_index(drop=True))


def _name(contrast: Contrast, facts: Facts) -> str:
    pair = f", {facts.label(contrast.first)} v {facts.label(contrast.second)}" if len(facts.pairs) > 1 else ""
    return facts.question(contrast.question) + pair


def _cells(contrast: Contrast) -> tuple[str, str, str]:
    estimate = contrast.preference.estimate
    return (
        _format.points(estimate, unit=False),
        _format.count(contrast.n),
        _format.p_value(contrast.preference.test.p),
    )


def rater_blocks(ballots: Ballots, facts: Facts) -> list[Block]:
    """A row a rater, where there are few: random names, votes, golds."""
    if not 0 < len(ballots.raters) <= SHOWN_RATERS:
        return []
    columns = (
        Column("Rater", align="left"),
        Column("votes", "n"),
        Column("golds answered as known", f"{facts.confidence} interval"),
        Column("repeats answered alike"),
        Column("excluded because", align="left"),
    )
    golds = ballots.cast[ballots.cast["kind"] == "gold"].groupby("rater").size()
    named = ballots.raters[["rater", "n_votes", "gold_accuracy", "consistency", "excluded_because"]]
    rows = tuple(
        (str(code)[:12], _format.count(n), _gold(right, int(golds.get(code, 0)), facts), _alike(alike), reason or "–")
        for code, n, right, alike, reason in named.to_numpy().tolist()
    )
    return [Table("Raters, by random names", columns, rows)]


def _gold(accuracy: float, n: int, facts: Facts) -> str:
    if n == 0 or accuracy != accuracy:  # NaN: no gold was judged
        return "–"
    return _format.share(wilson(round(accuracy * n), n, confidence=facts.study.analysis.confidence), n=True)


def _alike(consistency: float) -> str:
    return "–" if consistency != consistency else _format.percent(consistency)
