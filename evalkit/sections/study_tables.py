"""The votes in the shape of the published table, the planned tests, and beside them what is naive or exploratory."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._beside import naive_table, neither_blocks, ranking_blocks
from evalkit.sections._blocks import Number, Section
from evalkit.sections._explore import association_blocks, slice_blocks
from evalkit.sections._planned import planned_block
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
        title=_claims.findings(found, facts) if len(facts.pairs) == 1 else _conclusion(found, facts).rstrip("."),
        conclusion=_conclusion(found, facts),
        blocks=(
            *(share_table(pair, facts) for pair in by_pair if pair),
            planned_block(found, facts),
            *ranking_blocks(ballots, facts),
            *published_block(facts),
            naive_table(found, ballots, facts),
            *neither_blocks(run, ballots, facts),
            *association_blocks(ballots, facts),
            *slice_blocks(run, ballots, facts),
        ),
        numbers=_numbers(found),
    )


def _conclusion(found: list[Contrast], facts: Facts) -> str:
    said = [_claims.verdict(contrast, facts) for contrast in found]
    words = {
        "preferred": "a preference",
        "on par": f"parity within {_claims.margin(facts)}",
        "open": "neither a preference nor parity",
    }
    parts = [f"{said.count(key)} showed {what}" for key, what in words.items() if key in said]
    parts += [f"{said.count('no test')} could not be tested"] if "no test" in said else []
    return f"Of {_format.plural(len(found), 'planned comparison')}, {_format.listed(parts)}."


def _numbers(found: list[Contrast]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for contrast in found:
        numbers[f"{contrast.name}/net preference"] = contrast.preference.estimate
        numbers[f"{contrast.name}/net preference, naive"] = contrast.preference.naive
        numbers[f"{contrast.name}/preference test"] = contrast.preference.test
        numbers[f"{contrast.name}/parity test"] = contrast.on_par.test
    return numbers
