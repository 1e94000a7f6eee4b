"""The four answers of a pair of systems, in the shape of the published table: as bars and as a table."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._blocks import Column, Figure, Table
from evalkit.sections._chart import Mark, Scale, bars
from evalkit.sections._study import Facts
from evalkit.sections._votes import Contrast

NOT_REPORTED = "Not reported"
ROUNDING = 0.2
"""Percent: four shares rounded to one decimal can miss 100 by this much."""


def share_figure(pair: list[Contrast], facts: Facts) -> Figure:
    """The answers to every question on one pair of systems, one panel a question, on one scale."""
    top = max(0.1, *(high for contrast in pair for high in _highest(contrast, facts)))
    scale = Scale(0.0, min(1.0, top * 1.02), "share of votes", ".0%")
    diamond = "; diamond: the published share" if any(published(contrast, facts) for contrast in pair) else ""
    names = f"{facts.label(pair[0].first)} against {facts.label(pair[0].second)}"
    return Figure(
        name=f"answers-{pair[0].first}-{pair[0].second}",
        title=_leaders(pair, facts),
        subtitle=f"{names}. Bar: share of all votes; line: {facts.confidence} interval{diamond}.",
        panels=tuple(bars(facts.question(c.question), _marks(c, facts), scale) for c in pair),
        alt=" ".join(f"{facts.question(c.question)}: {_claims.four_shares(c, facts)}." for c in pair),
        table=share_table(pair, facts),
    )


def _leaders(pair: list[Contrast], facts: Facts) -> str:
    """The most frequent answer to each question, as the title of their bars."""
    said = []
    for contrast in pair:
        most = max(contrast.counts.values())
        names = [facts.label(answer) for answer in contrast.answers if contrast.counts[answer] == most]
        said.append(f"{_format.listed(names)} on {facts.question(contrast.question).lower()}")
    return f"Most frequent answer: {'; '.join(said)}"


def share_table(pair: list[Contrast], facts: Facts) -> Table:
    """Rows: each system, on par, neither; columns by question: votes, share, and the published share as printed."""
    columns, rows = [Column("Answer", align="left")], [[facts.label(answer)] for answer in pair[0].answers]
    reported = any(not_reported(contrast, facts) is not None for contrast in pair)
    rows += [[NOT_REPORTED]] if reported else []
    rows.append(["All"])
    for contrast in pair:
        for column in _columns(contrast, facts, reported):
            columns.append(column[0])
            for row, cell in zip(rows, column[1], strict=True):
                row.append(cell)
    return Table(_title(pair, facts), tuple(columns), tuple(map(tuple, rows)), note=_note(pair, facts))


def published(contrast: Contrast, facts: Facts) -> dict[str, float]:
    """The published column in percent, where it is about this pair; else empty."""
    table = facts.study.published.tables.get(contrast.question, {}) if facts.study.published else {}
    return dict(table) if {contrast.first, contrast.second} <= set(table) else {}


def not_reported(contrast: Contrast, facts: Facts) -> float | None:
    """Percent that the published column lacks to 100, where rounding cannot explain it."""
    column = published(contrast, facts)
    lacking = 100 - sum(column.values())
    return round(lacking, 1) if column and lacking > ROUNDING else None


def _columns(contrast: Contrast, facts: Facts, reported: bool) -> list[tuple[Column, list[str]]]:
    group, gap = facts.question(contrast.question), ["–"] if reported else []
    votes = [_format.count(contrast.counts[answer]) for answer in contrast.answers]
    shares = [_format.share(contrast.shares[answer]) for answer in contrast.answers]
    found = [
        (Column("votes", group=group), [*votes, *gap, _format.count(contrast.n)]),
        (Column("share", f"{facts.confidence} interval", group=group), [*shares, *gap, "100 %" if contrast.n else "–"]),
    ]
    if column := published(contrast, facts):
        lacking = not_reported(contrast, facts)
        printed = [f"{column[answer]:g}" if answer in column else "–" for answer in contrast.answers]
        printed += [f"{lacking:g}" if lacking is not None else "–"] if reported else []
        found.append((Column("published", "%", group=group), [*printed, f"{sum(column.values()):.1f}"]))
    return found


def _title(pair: list[Contrast], facts: Facts) -> str:
    return f"{facts.label(pair[0].first)} against {facts.label(pair[0].second)}: votes by answer"


def _note(pair: list[Contrast], facts: Facts) -> str:
    said = [f"{facts.question(c.question)}: {_format.sizes(c.preference.estimate)}" for c in pair]
    said += [
        f"{facts.question(c.question)}: {_format.plural(c.missing, 'comparison')} without an answer"
        for c in pair
        if c.missing
    ]
    said.append("Intervals: Wilson on votes over the design effect of prompts and raters")
    if facts.study.published and any(published(contrast, facts) for contrast in pair):
        said.append(f"Published: {facts.study.published.source}, printed as it stands")
        said += [facts.study.published.note.rstrip(".")] if facts.study.published.note else []
    return ". ".join(said) + "."


def _marks(contrast: Contrast, facts: Facts) -> list[Mark]:
    column = published(contrast, facts)
    return [
        Mark(
            label=facts.label(answer),
            text=_format.share(contrast.shares[answer])
            + (f", published {column[answer]:g} %" if answer in column else ""),
            estimate=contrast.shares[answer],
            colour=facts.colour(answer),
            reference=column[answer] / 100 if answer in column else None,
        )
        for answer in contrast.answers
    ]


def _highest(contrast: Contrast, facts: Facts) -> list[float]:
    own = [max(share.high or 0.0, share.value or 0.0) for share in contrast.shares.values()]
    return [*own, *(percent / 100 for percent in published(contrast, facts).values())]
