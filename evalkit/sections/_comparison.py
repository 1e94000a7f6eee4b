"""Two runs beside each other: the same study run twice, or two versions of a system. What changed, and is it real?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from evalkit.errors import RunError
from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, of_pair, read_votes
from evalkit.stats.clustered import ClusteredMean, clustered_mean
from evalkit.stats.difference import Votes, clustered_difference
from evalkit.stats.equivalence import Equivalence, equivalence
from evalkit.stats.estimate import Estimate
from evalkit.stats.multiplicity import holm
from evalkit.store.run import Run

NOTE = (
    "Difference: second run less first. t test clustered two ways, prompts counted once where both runs share them, "
    "raters taken as different people. Holm over {tests} tests. Unchanged: two one-sided t tests against {margin}; a "
    "small p shows that the result is the same within it."
)


@dataclass(frozen=True)
class Side:
    """One of the two runs. `systems`: its systems by the name that both runs share."""

    run: Run
    facts: Facts
    ballots: Ballots | None
    systems: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """The net preference of one pair on one question in both runs, and their difference."""

    question: str
    pair: tuple[str, str]
    before: ClusteredMean
    after: ClusteredMean
    difference: ClusteredMean
    same: Equivalence
    holm_p: float | None = None


def sides(first: Run, second: Run, same: Mapping[str, str]) -> tuple[Side, Side]:
    """Both runs with their systems matched: by name, by `same` (name in the first run -> name in the second).

    One system left over on each side is taken as two versions of one.

    Raises:
        RunError: `same` names a system that is not there, or the runs share no pair of systems.
    """
    facts = read_facts(first), read_facts(second)
    matched = _matched(facts[0].systems, facts[1].systems, same)
    if len(matched) < 2 and not _one_each(facts):
        raise RunError(
            "the runs share no pair of systems",
            where=f"{first.name} and {second.name}",
            hint="say which are versions of one: --same OLD=NEW",
        )
    own = {name: name for name in matched}
    return (
        Side(first, facts[0], read_votes(first, facts[0]), own),
        Side(second, facts[1], read_votes(second, facts[1]), matched),
    )


def _one_each(facts: tuple[Facts, Facts]) -> bool:
    return all(len(one.systems) == 1 for one in facts)


def _matched(first: list[str], second: list[str], same: Mapping[str, str]) -> dict[str, str]:
    for old, new in same.items():
        if old not in first or new not in second:
            raise RunError(
                f"no systems {old!r} and {new!r} to match", hint=f"{', '.join(first)} against {', '.join(second)}"
            )
    matched = {name: same.get(name, name) for name in first if same.get(name, name) in second}
    left = [name for name in first if name not in matched]
    unmatched = [name for name in second if name not in matched.values()]
    matched |= {left[0]: unmatched[0]} if len(left) == len(unmatched) == 1 else {}
    return {name: matched[name] for name in first if name in matched}


def changes(one: Side, two: Side) -> list[Change]:
    """Every question that both asked with every pair of systems that both compared, Holm-adjusted."""
    questions = [question for question in one.facts.asked if question in two.facts.asked]
    pairs = [pair for pair in one.facts.pairs if set(pair) <= set(two.systems)]
    found = [change for question in questions for pair in pairs if (change := _change(one, two, question, pair))]
    adjusted = holm([change.difference.test.p for change in found])
    return [replace(change, holm_p=p) for change, p in zip(found, adjusted, strict=True)]


def _change(one: Side, two: Side, question: str, pair: tuple[str, str]) -> Change | None:
    before, after = (_votes_of(side, question, pair) for side in (one, two))
    if before is None or after is None:
        return None
    confidence = one.facts.study.analysis.confidence
    means = [clustered_mean(v.values, v.prompts, v.raters, confidence=confidence) for v in (before, after)]
    difference = clustered_difference(before, after, confidence=confidence)
    margin = one.facts.study.analysis.equivalence_margin
    same = equivalence(difference, margin, alpha=1 - confidence)
    return Change(question, pair, means[0], means[1], difference, same)


def _votes_of(side: Side, question: str, pair: tuple[str, str]) -> Votes | None:
    """The votes, positive for the first of the pair as the first run names it."""
    if side.ballots is None or side.ballots.counted.empty:
        return None
    names = side.systems[pair[0]], side.systems[pair[1]]
    order = sorted(names, key=side.facts.systems.index)
    mine = of_pair(side.ballots.counted, question, order[0], order[1])
    if mine.empty:
        return None
    sign = 1.0 if tuple(order) == names else -1.0
    return Votes(sign * mine["outcome"].to_numpy(), mine["prompt_key"].to_numpy(), mine["rater"].to_numpy())


def votes_section(one: Side, two: Side) -> Section:
    """What changed in the votes."""
    found = changes(one, two)
    if not found:
        return Section(
            "votes", "No votes to compare", "Not both runs hold votes on one question about one pair of systems."
        )
    return Section(
        name="votes",
        title=_title(found, one.facts),
        conclusion=" ".join(_claim(change, one.facts) for change in found),
        blocks=(_figure(found, one.facts), *_cautions(found)),
        numbers=_numbers(found),
    )


def _title(found: list[Change], facts: Facts) -> str:
    said = [_verdict(change, facts) for change in found]
    if "changed" in said:
        return f"{said.count('changed')} of {_format.plural(len(said), 'result')} changed"
    if set(said) == {"unchanged"}:
        return f"Unchanged within {_margin(facts)}"
    return "No change was shown" if "open" in said or "unchanged" in said else "No conclusion on change is possible"


def _verdict(change: Change, facts: Facts) -> str:
    if change.holm_p is None:
        return "no test"
    if change.holm_p < 1 - facts.study.analysis.confidence:
        return "changed"
    return "unchanged" if change.same.equivalent else "open"


def _claim(change: Change, facts: Facts) -> str:
    words = {
        "changed": f"the result changed ({_format.p_text(change.holm_p)})",
        "unchanged": f"the result is the same within {_margin(facts)} ({_format.p_text(change.same.test.p)})",
        "open": f"neither a change nor sameness within {_margin(facts)} was shown ({_format.p_text(change.holm_p)})",
        "no test": f"no conclusion is possible: {change.difference.estimate.note}",
    }
    names = " over ".join(facts.label(name) for name in change.pair)
    return (
        f"On {facts.question(change.question).lower()}, {words[_verdict(change, facts)]}: net preference for {names} "
        f"{_format.points(change.before.estimate)} before, {_format.points(change.after.estimate)} after, difference "
        f"{_format.points(change.difference.estimate)}, {_format.sizes(change.difference.estimate)}."
    )


def _figure(found: list[Change], facts: Facts) -> Figure:
    margin = facts.study.analysis.equivalence_margin
    estimates = [e for c in found for e in (c.before.estimate, c.after.estimate, c.difference.estimate)]
    low, high = span(estimates, include=(-margin, margin))
    scale = Scale(low, high, "net preference, percentage points", "+.0%")
    return Figure(
        name="changes",
        title="Before, after, and the difference",
        subtitle=f"Net preference, {facts.confidence} interval clustered by prompt and rater. Band: {_margin(facts)}.",
        panels=tuple(intervals(_name(c, facts), _marks(c), scale, margin=margin) for c in found),
        alt=" ".join(_claim(change, facts) for change in found),
        table=_table(found, facts),
        open=True,
    )


def _marks(change: Change) -> list[Mark]:
    rows = (("first run", change.before), ("second run", change.after), ("difference", change.difference))
    return [Mark(label, _format.points(mean.estimate), mean.estimate) for label, mean in rows]


def _name(change: Change, facts: Facts) -> str:
    return f"{facts.question(change.question)}: {' v '.join(facts.label(name) for name in change.pair)}"


def _table(found: list[Change], facts: Facts) -> Table:
    unit = f"points, {facts.confidence} interval"
    columns = (
        Column("Question and pair", align="left"),
        *(Column(title, unit) for title in ("first run", "second run", "difference")),
        Column("votes", "n"),
        Column("change", "p"),
        Column("Holm", "p"),
        Column("unchanged", f"{_margin(facts)}, p"),
    )
    rows = tuple(
        (
            _name(c, facts),
            *(_format.points(mean.estimate, unit=False) for mean in (c.before, c.after, c.difference)),
            f"{_format.count(c.before.estimate.n)} + {_format.count(c.after.estimate.n)}",
            _format.p_value(c.difference.test.p),
            _format.p_value(c.holm_p),
            _format.p_value(c.same.test.p),
        )
        for c in found
    )
    note = NOTE.format(tests=len(found), margin=_margin(facts))
    return Table(
        "What changed", columns, rows, f"{note} {_format.notes([c.difference.estimate for c in found])}".strip()
    )


def _cautions(found: list[Change]) -> list[Block]:
    open_ = [change for change in found if change.holm_p is not None and not change.same.equivalent]
    points = ["One significant run and one that is not are no change: only the difference tells."]
    points += (
        ["That no change was shown does not make the runs equal: sameness has a test of its own."] if open_ else []
    )
    return [Paragraph("What not to conclude", tuple(points))]


def _margin(facts: Facts) -> str:
    return f"±{facts.study.analysis.equivalence_margin * 100:g} points"


def _numbers(found: list[Change]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for change in found:
        name = f"{change.question}/{change.pair[0]}-{change.pair[1]}"
        numbers[f"{name}/before"], numbers[f"{name}/after"] = change.before.estimate, change.after.estimate
        numbers[f"{name}/difference"] = change.difference.estimate
        numbers[f"{name}/difference test"] = change.difference.test
        numbers[f"{name}/sameness test"] = change.same.test
    return numbers


def interval_text(estimate: Estimate) -> str:
    return _format.measure(estimate) if estimate.value is not None else "no value"
