"""The planned tests: net preferences with their intervals, as a forest plot with its table."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._blocks import Column, Figure, Panel, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._study import Facts
from evalkit.sections._votes import Contrast

METHOD = (
    "Preference: t test of the net preference, clustered two ways (prompts, raters), Satterthwaite degrees of freedom. "
    "Holm over {tests} questions x pairs. Parity: two one-sided t tests against the margin of {margin}, fixed in the "
    "study file; a small p shows parity."
)


def planned_block(found: list[Contrast], facts: Facts) -> Figure:
    """One panel a pair of systems, one row a question, on one scale."""
    margin = facts.study.analysis.equivalence_margin
    low, high = span([contrast.preference.estimate for contrast in found], include=(-margin, margin))
    end = min(1.0, max(-low, high))
    scale = Scale(-end, end, "net preference, percentage points", "+.0%")
    spoken = (
        f"{_pair(c, facts)}, {facts.question(c.question)}: {_format.points(c.preference.estimate)}." for c in found
    )
    return Figure(
        name="net-preference",
        title=f"Net preference: {_excluding_zero(found)}",
        subtitle=f"(votes for the first − votes for the second) / all votes, {facts.confidence} interval clustered by "
        f"prompt and rater. {_right(facts)} Thin line: the naive interval. Band: parity, {_claims.margin(facts)}.",
        panels=tuple(_panel(pair, found, scale, margin, facts) for pair in facts.pairs),
        alt=" ".join(spoken),
        table=_tests(found, facts),
        open=True,
    )


def _panel(pair: tuple[str, str], found: list[Contrast], scale: Scale, margin: float, facts: Facts) -> Panel:
    marks = [
        Mark(
            label=facts.question(contrast.question),
            text=_format.points(contrast.preference.estimate),
            estimate=contrast.preference.estimate,
            naive=contrast.preference.naive,
        )
        for contrast in found
        if (contrast.first, contrast.second) == pair
    ]
    title = f"{facts.label(pair[0])} v {facts.label(pair[1])}" if len(facts.pairs) > 1 else ""
    return intervals(title, marks, scale, margin=margin)


def _right(facts: Facts) -> str:
    """What the right-hand side of the plot means."""
    first = facts.label(facts.pairs[0][0]) if len(facts.pairs) == 1 else "the first of the pair"
    return f"Right of zero, {first} is preferred."


def _excluding_zero(found: list[Contrast]) -> str:
    estimates = [contrast.preference.estimate for contrast in found]
    known = [e for e in estimates if e.low is not None and e.high is not None]
    clear = sum(1 for e in known if (e.low or 0.0) > 0 or (e.high or 0.0) < 0)
    if not known:
        return "no interval could be computed"
    return f"{clear or 'none'} of {_format.plural(len(known), 'interval')} excludes zero"


def _tests(found: list[Contrast], facts: Facts) -> Table:
    columns = (
        Column("Question", align="left"),
        *([Column("Pair", align="left")] if len(facts.pairs) > 1 else []),
        Column("net preference", f"points, {facts.confidence} interval"),
        Column("votes", "n"),
        Column("prompts", "n"),
        Column("raters", "n"),
        Column("preference", "p"),
        Column("Holm", "p"),
        Column("parity", f"{_claims.margin(facts)}, p"),
    )
    return Table("The planned tests", columns, tuple(_row(contrast, facts) for contrast in found), _note(found, facts))


def _row(contrast: Contrast, facts: Facts) -> tuple[str, ...]:
    estimate = contrast.preference.estimate
    return (
        facts.question(contrast.question),
        *([_pair(contrast, facts)] if len(facts.pairs) > 1 else []),
        _format.points(estimate, unit=False),
        _format.count(contrast.n),
        _format.count(estimate.prompts or 0),
        _format.count(estimate.raters or 0),
        _format.p_value(contrast.preference.test.p),
        _format.p_value(contrast.holm_p),
        _format.p_value(contrast.on_par.test.p),
    )


def _note(found: list[Contrast], facts: Facts) -> str:
    said = [METHOD.format(tests=len(facts.asked) * len(facts.pairs), margin=_claims.margin(facts))]
    said += dict.fromkeys(words for contrast in found if (words := _claims.scope_words(contrast).strip()))
    return " ".join([*said, _format.notes([contrast.preference.estimate for contrast in found])]).strip()


def _pair(contrast: Contrast, facts: Facts) -> str:
    return f"{facts.label(contrast.first)} v {facts.label(contrast.second)}"
