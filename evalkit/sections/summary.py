"""One screen in plain words: the question, the answer, the votes as bars, what not to conclude."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._blocks import Block, Number, Paragraph, Section
from evalkit.sections._plain import in_plain_words
from evalkit.sections._shares import published, share_figure
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, Contrast, contrasts, read_votes
from evalkit.store.run import Run

UNTESTABLE = (
    "The published shares came without a number of votes or raters: they have no interval, and whether they differ "
    "from the shares here cannot be tested."
)
NOT_EQUAL = "That no preference was shown does not make the systems equal: parity has a test of its own."
THESE_ONLY = "The result is about these systems with these settings, and about prompts like these (see Methods)."


def section(run: Run) -> Section | None:
    """The summary; a run without votes is summed up by what it holds."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    if ballots is None or ballots.counted.empty:
        return _without_votes(run, ballots)
    found = contrasts(ballots, facts)
    primary = [contrast for contrast in found if contrast.question == facts.asked[0]]
    rest = [_claims.claim(contrast, facts) for contrast in found if contrast not in primary]
    by_pair = [[c for c in found if (c.first, c.second) == pair and c.n] for pair in facts.pairs]
    blocks: list[Block] = [share_figure(pair, facts) for pair in by_pair if pair]
    blocks += [Paragraph(" ".join(rest))] if rest else []
    blocks += [Paragraph("In plain words", plain)] if (plain := in_plain_words(ballots, found, facts)) else []
    return Section(
        name="summary",
        title=_title(primary, facts),
        conclusion=" ".join(_claims.claim(contrast, facts) for contrast in primary),
        blocks=(*blocks, _cautions(found, facts)),
        numbers=_numbers(found),
    )


def _title(primary: list[Contrast], facts: Facts) -> str:
    if len(primary) == 1:
        return _claims.finding(primary[0], facts)
    clear = [contrast for contrast in primary if _claims.verdict(contrast, facts) == "preferred"]
    return f"{facts.question(facts.asked[0])}: {len(clear)} of {len(primary)} pairs of systems differ"


def _cautions(found: list[Contrast], facts: Facts) -> Paragraph:
    points = list(dict.fromkeys(size for contrast in found if (size := _claims.sample_size(contrast))))
    points += [NOT_EQUAL] if any(_claims.verdict(c, facts) == "open" for c in found) else []
    points += [UNTESTABLE] if any(published(contrast, facts) for contrast in found) else []
    return Paragraph("What not to conclude", (*points, THESE_ONLY))


def _numbers(found: list[Contrast]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for contrast in found:
        numbers |= {f"{contrast.name}/share/{answer}": share for answer, share in contrast.shares.items()}
        numbers[f"{contrast.name}/net preference"] = contrast.preference.estimate
    return numbers


def _without_votes(run: Run, ballots: Ballots | None) -> Section:
    said = "All votes were left out" if ballots is not None and len(ballots.cast) else "Nobody has voted"
    holds = []
    if run.has("images.parquet"):
        holds.append(_format.plural(len(run.read_table("images.parquet", "images")), "image"))
    if run.has("metrics.json"):
        holds.append(_format.plural(len(run.read_json("metrics.json")["metrics"]), "metric"))
    more = (
        f"The run holds {_format.listed(holds)}; what they can say stands below."
        if holds
        else "The run holds no images."
    )
    return Section(
        "summary",
        "No votes, so no answer on preference",
        f"{said}: there is no result on preference.",
        (Paragraph(more),),
    )
