"""The votes in the shape of the published table, the planned tests, and beside them what is naive or exploratory."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._beside import naive_table, ranking_blocks
from evalkit.sections._blocks import Block, Column, Figure, Number, Section, Table
from evalkit.sections._chart import INK, Mark, Scale, intervals, span
from evalkit.sections._explore import association_blocks, slice_blocks
from evalkit.sections._published import published_block
from evalkit.sections._shares import share_table
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Contrast, contrasts, read_votes
from evalkit.store.run import Run


def section(run: Run) -> Section | None:
    """All results of the vote; None where nobody was asked."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    if ballots is None:
        return None
    found = [contrast for contrast in contrasts(ballots, facts) if contrast.n]
    if not found:
        return Section("study_tables", "No vote counts", "There is no vote to count, so there is no table.")
    by_pair = [[c for c in found if (c.first, c.second) == pair] for pair in facts.pairs]
    return Section(
        name="study_tables",
        title="; ".join(_claims.finding(contrast, facts) for contrast in found[:3]) + (" …" if found[3:] else ""),
        conclusion=_conclusion(found, facts),
        blocks=(
            *(share_table(pair, facts) for pair in by_pair if pair),
            *_forest(found, facts),
            _tests(found, facts),
            *ranking_blocks(ballots, facts),
            *published_block(facts),
            naive_table(found, ballots, facts),
            *association_blocks(ballots, facts),
            *slice_blocks(run, ballots, facts),
        ),
        numbers=_numbers(found),
    )


def _conclusion(found: list[Contrast], facts: Facts) -> str:
    said = [_claims.verdict(contrast, facts) for contrast in found]
    tests = _format.plural(len(found), "planned comparison")
    return (
        f"Of {tests}, {said.count('preferred')} showed a preference, {said.count('on par')} showed parity within "
        f"{_claims.margin(facts)}, and {said.count('open')} showed neither"
        + (f"; {said.count('no test')} could not be tested." if "no test" in said else ".")
    )


def _forest(found: list[Contrast], facts: Facts) -> list[Block]:
    drawn = [contrast for contrast in found if contrast.preference.estimate.value is not None]
    if not drawn:
        return []
    margin = facts.study.analysis.equivalence_margin
    low, high = span([contrast.preference.estimate for contrast in drawn], include=(-margin, margin))
    end = min(1.0, max(-low, high))
    scale = Scale(-end, end, "net preference, share of votes", "+.0%")
    panels = tuple(
        intervals(
            _panel_title(pair, facts),
            [_mark(c, facts) for c in drawn if (c.first, c.second) == pair],
            scale,
            margin=margin,
        )
        for pair in facts.pairs
        if any((c.first, c.second) == pair for c in drawn)
    )
    return [
        Figure(
            name="net-preference",
            title=_forest_title(drawn, facts),
            subtitle=f"Net preference, (votes for the first - votes for the second) / all votes, with its {facts.confidence} "
            f"interval clustered by prompt and rater; thin: the naive interval, for comparison; band: {_claims.margin(facts)}.",
            panels=panels,
            alt=" ".join(
                f"{_pair(c, facts)}, {facts.question(c.question)}: {_format.points(c.preference.estimate)}."
                for c in drawn
            ),
            table=_tests(drawn, facts),
        )
    ]


def _forest_title(drawn: list[Contrast], facts: Facts) -> str:
    estimates = [contrast.preference.estimate for contrast in drawn]
    clear = sum(1 for e in estimates if e.low is not None and e.high is not None and (e.low > 0 or e.high < 0))
    if len(estimates) == 1:
        return "The interval excludes zero" if clear else "The interval does not exclude zero"
    return f"{clear} of {len(estimates)} intervals exclude zero"


def _panel_title(pair: tuple[str, str], facts: Facts) -> str:
    return f"← {facts.label(pair[1])} | {facts.label(pair[0])} →"


def _mark(contrast: Contrast, facts: Facts) -> Mark:
    estimate = contrast.preference.estimate
    return Mark(
        facts.question(contrast.question), _format.points(estimate), estimate, INK, naive=contrast.preference.naive
    )


def _tests(found: list[Contrast], facts: Facts) -> Table:
    columns = (
        Column("Question", align="left"),
        Column("Pair", align="left"),
        Column("net preference", f"points, {facts.confidence} interval"),
        Column("votes", "n"),
        Column("prompts"),
        Column("raters"),
        Column("preference", "p"),
        Column("Holm", "p"),
        Column("parity", f"{_claims.margin(facts)}, p"),
    )
    rows = tuple(
        (
            facts.question(c.question),
            _pair(c, facts),
            _format.points(c.preference.estimate, unit=False),
            _format.count(c.n),
            _format.count(c.preference.estimate.prompts or 0),
            _format.count(c.preference.estimate.raters or 0),
            _format.p_value(c.preference.test.p),
            _format.p_value(c.holm_p),
            _format.p_value(c.on_par.test.p),
        )
        for c in found
    )
    return Table("The planned tests", columns, rows, note=_test_note(found, facts))


def _test_note(found: list[Contrast], facts: Facts) -> str:
    said = [
        f"Preference: t test of the net preference, two-way clustered (prompts x raters), Satterthwaite degrees of freedom. "
        f"Holm over {len(facts.asked) * len(facts.pairs)} questions x pairs. Parity: two one-sided t tests against the margin "
        f"of {_claims.margin(facts)}, fixed in the study file; a small p shows parity."
    ]
    said += list(dict.fromkeys(words.strip() for c in found if (words := _claims.scope_words(c))))
    return " ".join([*said, _format.notes([c.preference.estimate for c in found])]).strip()


def _pair(contrast: Contrast, facts: Facts) -> str:
    return f"{facts.label(contrast.first)} v {facts.label(contrast.second)}"


def _numbers(found: list[Contrast]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for contrast in found:
        numbers[f"{contrast.name}/net preference"] = contrast.preference.estimate
        numbers[f"{contrast.name}/net preference, naive"] = contrast.preference.naive
        numbers[f"{contrast.name}/preference test"] = contrast.preference.test
        numbers[f"{contrast.name}/parity test"] = contrast.on_par.test
    return numbers
