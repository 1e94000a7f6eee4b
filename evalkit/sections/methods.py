"""How the numbers were made: plan and what happened, models, versions, machines, what is missing, the limits."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Column, Paragraph, Section, Table
from evalkit.sections._checklist import checklist
from evalkit.sections._departures import departures
from evalkit.sections._provenance import provenance_blocks
from evalkit.sections._study import Facts, planned_sheets, read_facts
from evalkit.sections._votes import read_votes
from evalkit.spec.design import Design
from evalkit.store.run import Run

LIMITS = (
    "Misuse: cards of text-to-image models forbid hostile, false or demeaning use. Images that a checkpoint's own "
    "safety checker flagged are counted above.",
    "Languages: such models are mostly trained on English descriptions. Prompts in other languages are expected to be "
    "followed less well, and people and places to be shown by stereotypes. A result on English prompts says nothing "
    "about other languages.",
)
ADAPTIVE = (
    "adaptive: after the first sheets, half of each sheet went to the pairs of systems for which one more vote narrows "
    "the standard error of the net preference most (Chiang et al. 2024), by blinded arms, whoever led; the other half "
    "stayed even. The weights follow from spreads and numbers alone, so that each pair's estimate is consistent; "
    "its interval holds for many votes (of 2,000 simulated 95 % intervals 3.4 % missed the truth; with even pairing "
    "3.2 %). Each drawing is in the log, with its hash"
)
FACT = (Column("What", align="left"), Column("how", align="left"))


def section(run: Run) -> Section | None:
    """The methods; always there."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    known = tuple(departures(run, facts, ballots))
    return Section(
        name="methods",
        title="How it was done",
        conclusion=_conclusion(known),
        blocks=(
            *([Paragraph("Departures from the plan, and what is missing", known)] if known else []),
            _plan(run, facts),
            _systems(facts),
            *provenance_blocks(run),
            *((_statistics(facts), checklist(run, ballots, facts)) if ballots is not None else ()),
            Paragraph("Limits", LIMITS + _cards(facts)),
        ),
    )


def _conclusion(known: tuple[str, ...]) -> str:
    if not known:
        return "Everything went as the study file planned it."
    return f"What departed from the plan, or is missing, stands first: {_format.plural(len(known), 'point')}."


def _plan(run: Run, facts: Facts) -> Table:
    study, design = facts.study, facts.study.voting
    wish = study.prompts
    picked = f"{wish.sample} of them, drawn by sha256(seed|key), seed {wish.seed}" if wish.sample else "all of them"
    rows = [
        ("Prompts", f"{facts.prompt_set.title} ({facts.prompt_set.licence or 'licence not stated'}), {picked}"),
        (
            "Images",
            f"{study.images} per prompt and system for metrics; seed {study.seed}, the same noise for every system",
        ),
    ]
    if design:
        sample = f"{design.sample} prompts" if design.sample else "all prompts"
        per_rater = f"{design.comparisons_per_rater}" if design.comparisons_per_rater else "all"
        rows += [
            (
                "Vote",
                f"{sample}, {_format.plural(design.images, 'image')} each, {_sheets(run, design)}, "
                f"{per_rater} comparisons a sheet, seed {design.seed}; sides balanced, systems unknown to raters",
            ),
            *((f"Question: {facts.question(name)}", _wording(name, facts)) for name in facts.asked),
            *([("Pairing", ADAPTIVE)] if design.pairing == "adaptive" else []),
            *([("Pictures under a cover", _covered(design.content_warning))] if design.content_warning else []),
            ("Primary question", facts.question(study.analysis.primary_question)),
            ("Margin of parity", f"±{study.analysis.equivalence_margin * 100:g} points of net preference"),
        ]
    return Table("The plan, fixed before the first image", FACT, tuple(rows))


def _sheets(run: Run, design: Design) -> str:
    """How many sheets, as far as it was known: of all languages once they are drawn."""
    planned, one = planned_sheets(run, design), design.languages == "one"
    if planned is not None:
        return _format.plural(planned, "sheet") + (" of one language each, as many in every language" if one else "")
    if design.votes_per_comparison is not None:
        return f"sheets for {_format.plural(design.votes_per_comparison, 'vote')} on each comparison"
    return f"{_format.plural(design.raters, 'sheet')} in each language"


def _covered(names: tuple[str, ...]) -> str:
    """Which pictures stayed hidden until a rater asked to see them."""
    return f"{_format.listed(list(names))}: both pictures were hidden until the rater asked to see them"


def _wording(name: str, facts: Facts) -> str:
    question = facts.questions.get(name)
    if question is None:
        return "not recorded"
    source = f". Wording: {question.wording_source}" if question.wording_source else ""
    return f"“{question.text['en']}” Answers: {', '.join(question.answers['en'])}{source}"


def _systems(facts: Facts) -> Table:
    columns = tuple(
        Column(title, align="left") for title in ("System", "Checkpoint", "Revision", "Sampling", "Licence")
    )
    rows = []
    for system in facts.study.systems:
        card, sampling = facts.cards[system.name], system.sampling
        rescale = f", rescale {sampling.guidance_rescale:g}" if sampling.guidance_rescale else ""
        unchecked = ", safety checker off" if card.safety_checker and not sampling.safety_checker else ""
        settings = f"{sampling.steps} steps, guidance {sampling.guidance:g}{rescale}, {sampling.width or card.size} px"
        settings += unchecked
        revision = (
            f"{card.revision[:12]} ({card.revision_source})"
            if card.revision and card.revision_source
            else card.revision
        )
        rows.append(
            (system.label, f"{card.title}, {card.source}", revision or "none", settings, card.licence or "not stated")
        )
    return Table("Systems", columns, tuple(rows))


def _statistics(facts: Facts) -> Paragraph:
    margin = f"±{facts.study.analysis.equivalence_margin * 100:g} points"
    points = (
        f"Headline: net preference d = (W − L) / n, ties and “neither” in n; {facts.confidence} t interval. Variance "
        "clustered two ways, prompts and raters: the largest of the one-way and two-way sums (Cameron, Gelbach and "
        "Miller 2011); Satterthwaite degrees of freedom. It speaks of new prompts and new raters; with two raters or "
        "fewer, of these raters only; with under 8 prompts there is no interval.",
        "Shares: Wilson intervals on n over the design effect (Korn and Graubard 1998).",
        f"Parity: two one-sided t tests against {margin} (Schuirmann 1987). Several tests: Holm for the planned ones, "
        "Benjamini-Hochberg for the exploratory ones.",
        "“Neither” means that both images fail: it is no tie, and stays out of every model of strength.",
    )
    return Paragraph("Statistics", points)


def _cards(facts: Facts) -> tuple[str, ...]:
    return tuple(
        f"{card.title}: {card.notes}" for card in {c.name: c for c in facts.cards.values()}.values() if card.notes
    )
