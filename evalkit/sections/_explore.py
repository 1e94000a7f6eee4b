"""Exploration: does one question shadow the other (halo), and do kinds of prompts differ?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Table
from evalkit.sections._study import Facts
from evalkit.sections._votes import CHOICES, Ballots, of_pair
from evalkit.spec.study import NEITHER, TIE
from evalkit.stats.association import Association, association
from evalkit.stats.clustered import ClusteredMean, clustered_mean
from evalkit.stats.multiplicity import benjamini_hochberg
from evalkit.store.frames import FEW
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS, FEWEST_RATERS = 30, 5
TOLD = {
    "profession": "raters' work",
    "years": "raters' years in it",
    "colour": "raters' colour vision (as most people's)",
    "display": "raters' display",
    "languages": "raters' languages",
}
"""Columns of the table of raters -> how the report names them"""
KEYS = ["rater", "image_a", "image_b", "prompt_code", "rater_code", "prompt_hidden"]


def association_blocks(ballots: Ballots, facts: Facts) -> list[Block]:
    """The first two questions answered by the same raters on the same pairs: does one answer shadow the other?"""
    if len(facts.asked) < 2:
        return []
    one, two = facts.asked[:2]
    votes = ballots.counted
    both = votes[votes["question"] == one].merge(votes[votes["question"] == two], on=KEYS)
    if both.empty:
        return []
    found = _associated(both, facts)
    return [_association_table(found, facts), *_by_showing(both, facts)]


def _associated(both: pd.DataFrame, facts: Facts) -> Association:
    answers, others = (both[f"choice_{side}"].to_numpy().astype(str) for side in "xy")
    groups = both["prompt_code"].to_numpy(), both["rater_code"].to_numpy()
    return association(answers, others, CHOICES, *groups, confidence=facts.study.analysis.confidence)


def _by_showing(both: pd.DataFrame, facts: Facts) -> list[Block]:
    """Halo by design: half of the sheets hid the prompt until the first question was answered. [] where none did."""
    parts = {"from the start": both[~both["prompt_hidden"]], "after the first answer": both[both["prompt_hidden"]]}
    if any(part.empty for part in parts.values()):
        return []
    columns = (
        Column("The text was shown", align="left"),
        Column("Cramér's V", f"{facts.confidence} interval"),
        Column("answer pairs", "n"),
        Column("raters"),
    )
    rows = tuple(
        (name, _format.measure(v), _format.count(v.n), _format.count(part["rater"].nunique()))
        for name, part in parts.items()
        for v in [_associated(part, facts).cramers_v]
    )
    note = "Where the first answer was given without the text, it cannot be a shadow of what the text says."
    return [Table("Halo: the two answers, by when the text was shown", columns, rows, note)]


def _association_table(found: Association, facts: Facts) -> Table:
    one, two = (facts.question(name) for name in facts.asked[:2])
    only = facts.pairs[0] if len(facts.pairs) == 1 else None
    systems = [facts.label(name) for name in only] if only else ["First of the pair", "Second of the pair"]
    names = (*systems, facts.label(TIE), facts.label(NEITHER))
    columns = (Column(one, align="left"), *(Column(name, group=two) for name in names))
    rows = tuple((name, *map(_format.count, row)) for name, row in zip(names, found.counts, strict=True))
    note = (
        f"Cramér's V {_format.measure(found.cramers_v)}, {_format.sizes(found.cramers_v, 'answer pair')}; near 1, one "
        f"answer follows the other (halo). Bowker {_format.p_text(found.symmetry.p)}, Stuart-Maxwell "
        f"{_format.p_text(found.homogeneity.p)}, both naive."
    )
    return Table(f"{one} and {two.lower()} by the same rater on the same pair", columns, rows, note)


@dataclass(frozen=True)
class Slice:
    """The net preference of one pair on one question over some of the prompts, or of the raters."""

    question: str
    pair: tuple[str, str]
    kind: str
    name: str
    mean: ClusteredMean


def slice_blocks(run: Run, ballots: Ballots, facts: Facts) -> list[Block]:
    """Net preference by kind of prompt and by group of raters: exploratory, Benjamini-Hochberg over all of them."""
    parts = {**_prompt_parts(run, ballots), **_rater_parts(ballots)}
    found = [
        Slice(question, pair, kind, name, _mean(votes, facts))
        for question in facts.asked
        for pair in facts.pairs
        for whole in [of_pair(ballots.counted, question, *pair)]
        for (kind, name), (column, chosen) in parts.items()
        if len(votes := whole[whole[column].isin(chosen)])
    ]
    if not found:
        return []
    adjusted = benjamini_hochberg([item.mean.test.p for item in found])
    columns = (
        *(Column(title, align="left") for title in ("Question", "By", "Group")),
        Column("net preference", f"points, {facts.confidence} interval"),
        Column("votes", "n"),
        *(Column(title) for title in ("prompts", "raters")),
        Column("Benjamini-Hochberg", "p"),
    )
    rows = tuple(_row(item, p, facts) for item, p in zip(found, adjusted, strict=True))
    note = (
        f"Exploratory: these tests were not planned. Groups of fewer than {FEWEST_RATERS} raters are not shown. "
        + _format.notes([item.mean.estimate for item in found])
    )
    return [Table("Exploratory: by kind of prompt and group of raters", columns, rows, note.strip())]


def _row(item: Slice, p: float | None, facts: Facts) -> tuple[str, ...]:
    estimate, pair = item.mean.estimate, f", {facts.label(item.pair[0])} v {facts.label(item.pair[1])}"
    return (
        facts.question(item.question) + (pair if len(facts.pairs) > 1 else ""),
        item.kind,
        item.name,
        _format.points(estimate, unit=False),
        _format.count(estimate.n),
        _format.count(estimate.prompts or 0),
        _format.count(estimate.raters or 0),
        _format.p_value(p),
    )


Parts = dict[tuple[str, str], tuple[str, set[str]]]
"""(kind, group) -> the column of the votes and the values in it that make the group."""


def _prompt_parts(run: Run, ballots: Ballots) -> Parts:
    """Category, challenge and language of the prompt; one group is no slice."""
    if not run.has("images.parquet"):
        return {}
    images = run.read_table("images.parquet", "images").drop_duplicates(["prompt_key", "lang"])
    voted = images[images["prompt_key"].isin(set(ballots.counted["prompt_key"]))]
    found: Parts = {}
    for column in ("category", "challenge"):
        groups = {str(name): set(part["prompt_key"]) for name, part in voted.groupby(column) if name}
        if 1 < len(groups) <= MOST_GROUPS:
            found |= {(column, name): ("prompt_key", keys) for name, keys in groups.items()}
    languages = sorted(set(ballots.counted["lang"]))
    return found | ({("language", name): ("lang", {name}) for name in languages} if len(languages) > 1 else {})


def _rater_parts(ballots: Ballots) -> Parts:
    """What raters told of themselves, and the languages they read. Small groups give no number."""
    voted = ballots.raters[ballots.raters["rater"].isin(set(ballots.counted["rater"]))]
    found: Parts = {}
    for column, kind in TOLD.items():
        groups = {
            str(name): set(part["rater"])
            for name, part in voted.groupby(column)
            if name not in ("", FEW) and len(part) >= FEWEST_RATERS
        }
        if 1 < len(groups) <= MOST_GROUPS:
            found |= {(kind, name): ("rater", codes) for name, codes in groups.items()}
    return found


def _mean(votes: pd.DataFrame, facts: Facts) -> ClusteredMean:
    columns = (votes[name].to_numpy() for name in ("outcome", "prompt_code", "rater_code"))
    return clustered_mean(*columns, confidence=facts.study.analysis.confidence)
