"""How the numbers were made: plan and what happened, models, versions, machines, what is missing, the limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Paragraph, Section, Table
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, read_votes
from evalkit.store.run import Run

LIMITS = (
    "Model cards of this kind forbid hostile, false or demeaning use; images that a checkpoint's safety checker flagged are "
    "counted above.",
    "The models were trained on English descriptions: prompts in other languages are expected to be followed less well, and "
    "people and places outside the training data's focus may be shown as stereotypes. A result on English prompts says nothing "
    "about other languages.",
)
FACT = (Column("", align="left"), Column("", align="left"))


def section(run: Run) -> Section | None:
    """The methods; always there."""
    facts = read_facts(run)
    ballots = read_votes(run, facts)
    stages = run.read_json("manifest.json")["stages"] if run.has("manifest.json") else []
    departures = list(_departures(run, facts, ballots))
    return Section(
        name="methods",
        title="How it was done",
        conclusion=_conclusion(departures),
        blocks=(
            *([Paragraph("Departures from the plan, and what is missing", tuple(departures))] if departures else []),
            _plan(facts),
            _systems(facts),
            *_stages(stages),
            *_versions(stages),
            *([_statistics(facts)] if ballots is not None else []),
            Paragraph("Limits", LIMITS + _cards(facts)),
        ),
    )


def _conclusion(departures: list[str]) -> str:
    if not departures:
        return "Everything went as the study file planned it."
    return f"{_format.plural(len(departures), 'thing')} did not go as the study file planned, or must be known to read the result."


def _departures(run: Run, facts: Facts, ballots: Ballots | None) -> Iterator[str]:
    if run.has("images.parquet"):
        images = run.read_table("images.parquet", "images")
        for column, word in (("flagged", "flagged by a safety checker"), ("blank", "blank")):
            for system, n in images.loc[images[column], "system"].value_counts().sort_index().items():
                yield f"{facts.label(str(system))}: {_format.plural(int(n), 'image')} {word}."
        lacking = [facts.label(system) for system in facts.systems if system not in set(images["system"])]
        if lacking:
            yield f"No images of {_format.listed(lacking)}."
    else:
        yield "The run has no table of images."
    yield from _voting_departures(facts, ballots)
    interim = sum(1 for event in _events(run) if event.get("what") == "interim report")
    if interim:
        yield f"The results were looked at {_format.plural(interim, 'time')} before the study closed (interim reports)."
    untested = sorted({card.title for card in facts.cards.values() if card.untested})
    if untested:
        yield f"Never run by evalkit's authors: {_format.listed(untested)}."


def _voting_departures(facts: Facts, ballots: Ballots | None) -> Iterator[str]:
    design = facts.study.voting
    if design is None:
        yield "The study asks nobody: it has no voting part."
        return
    if ballots is None:
        yield "The vote has not been closed, or was never opened: there are no votes in the run."
        return
    raters = ballots.counted["rater"].nunique()
    if raters != design.raters:
        yield f"Planned: {_format.plural(design.raters, 'rater')}; analysed: {raters}."
    prompts = ballots.counted["prompt_key"].nunique()
    if design.sample and prompts != design.sample:
        yield f"Planned: {_format.plural(design.sample, 'prompt')} to vote on; analysed: {prompts}."
    for reason, n in ballots.left_out.items():
        if "excluded" in reason or "simulated" in reason:
            yield f"{_format.plural(n, 'vote')} left out: {reason}."
    if ballots.simulated:
        yield "All votes that count were cast by a program."


def _events(run: Run) -> list[dict[str, Any]]:
    if not run.has("log.jsonl"):
        return []
    lines = run.path("log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _plan(facts: Facts) -> Table:
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
                f"{sample}, {_format.plural(design.images, 'image')} each, {_format.plural(design.raters, 'sheet')}, "
                f"{per_rater} comparisons a sheet, seed {design.seed}; sides balanced, systems unknown to raters",
            ),
            *((f"Question: {facts.question(name)}", _wording(name, facts)) for name in facts.asked),
            ("Primary question", facts.question(study.analysis.primary_question)),
            ("Margin of parity", f"±{study.analysis.equivalence_margin * 100:g} points of net preference"),
        ]
    return Table("The plan, fixed before the first image", FACT, tuple(rows))


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
        settings = f"{sampling.steps} steps, guidance {sampling.guidance:g}{rescale}, {sampling.width or card.size} px"
        revision = (
            f"{card.revision[:12]} ({card.revision_source})"
            if card.revision and card.revision_source
            else card.revision
        )
        rows.append(
            (system.label, f"{card.title}, {card.source}", revision or "none", settings, card.licence or "not stated")
        )
    return Table("Systems", columns, tuple(rows))


def _stages(stages: list[dict[str, Any]]) -> list[Block]:
    if not stages:
        return []
    columns = (
        Column("Stage", align="left"),
        Column("finished", "UTC", align="left"),
        Column("took", "s"),
        Column("machine", align="left"),
        Column("evalkit revision", align="left"),
    )
    rows = tuple(
        (
            str(stage["stage"]),
            str(stage["finished_at"]).removesuffix("+00:00").replace("T", " "),
            f"{stage['seconds']:,.1f}",
            _machine(stage.get("hardware", {})),
            str(stage.get("git") or "unknown")[:12] + ("+changes" if "+" in str(stage.get("git")) else ""),
        )
        for stage in stages
    )
    return [Table("What ran, where and when", columns, rows)]


def _machine(hardware: dict[str, Any]) -> str:
    parts = [
        hardware.get("accelerator"),
        hardware.get("processor"),
        f"{hardware['cores']} cores" if hardware.get("cores") else None,
    ]
    return ", ".join(str(part) for part in parts if part) or "unknown"


def _versions(stages: list[dict[str, Any]]) -> list[Block]:
    used: dict[str, list[str]] = {}
    for stage in stages:
        for package, version in stage.get("versions", {}).items():
            known = used.setdefault(package, [])
            known += [] if version in known else [version]
    rows = tuple((package, ", ".join(found)) for package, found in used.items())
    return [Table("Versions", (Column("Package", align="left"), Column("version", align="left")), rows)] if rows else []


def _statistics(facts: Facts) -> Paragraph:
    confidence = facts.confidence
    return Paragraph(
        "Statistics",
        (
            f"Headline: net preference d = (W − L) / n with ties and “neither” in n; {confidence} t interval, variance clustered two ways "
            "(prompts and raters; the largest of the one-way and two-way sums; Cameron, Gelbach and Miller 2011), Satterthwaite degrees of "
            "freedom. It speaks of new prompts and new raters; with two raters or fewer of these raters only; with under 8 prompts there is "
            "no interval.",
            "Shares: Wilson intervals on n over the design effect (Korn and Graubard 1998).",
            f"Parity: two one-sided t tests against ±{facts.study.analysis.equivalence_margin * 100:g} points (Schuirmann 1987). "
            "Several tests: Holm for the planned ones, Benjamini-Hochberg for exploratory ones.",
            "“Neither” means that both images fail: it is never counted as a tie, and stays out of every model of strength.",
        ),
    )


def _cards(facts: Facts) -> tuple[str, ...]:
    return tuple(
        f"{card.title}: {card.notes}" for card in {c.name: c for c in facts.cards.values()}.values() if card.notes
    )
