"""What did not go as planned, what is missing, what was simulated: said in words, counted."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.sections import _format
from evalkit.sections._drawing import drawing_notes
from evalkit.sections._study import Facts, planned_sheets, read_voting
from evalkit.sections._votes import Ballots
from evalkit.store.run import Run

TOLD = ("missing", "changed", "flagged", "blank")
INTERIM_EVENT = "interim report"


def departures(run: Run, facts: Facts, ballots: Ballots | None) -> Iterator[str]:
    """One sentence for each."""
    yield from _of_images(run, facts)
    yield from drawing_notes(run)
    yield from _of_metrics(run)
    yield from _of_votes(run, facts, ballots)
    yield from _amendments(run)
    if looks := _interim_reports(run):
        yield f"The results were looked at {_format.plural(looks, 'time')} before the study closed (interim reports)."
    untested = sorted({card.title for card in facts.cards.values() if card.untested})
    if untested:
        yield f"Never run by evalkit's authors: {_format.listed(untested)}."


def _of_images(run: Run, facts: Facts) -> Iterator[str]:
    if not run.has("images.parquet"):
        yield "The run has no table of images."
        return
    images = run.read_table("images.parquet", "images")
    health = run.read_json("metrics.json").get("health", {}) if run.has("metrics.json") else {}
    for system in facts.systems:
        mine = images[images["system"] == system]
        if mine.empty:
            yield f"{facts.label(system)}: no images."
            continue
        counts = {"flagged": int(mine["flagged"].sum()), "blank": int(mine["blank"].sum())}
        counts |= {kind: found["n"] for kind, found in health.get(system, {}).items() if kind in TOLD}
        said = [f"{_format.plural(counts[kind], 'image')} {kind}" for kind in TOLD if counts.get(kind)]
        if said:
            yield f"{facts.label(system)}: {_format.listed(said)}, of {_format.count(len(mine))}."


def _of_metrics(run: Run) -> Iterator[str]:
    infos = run.read_json("metrics.json")["metrics"] if run.has("metrics.json") else {}
    unplanned = [name for name, info in infos.items() if info.get("planned") is False]
    if unplanned:
        yield f"Computed without having been planned, and so exploratory: {_format.listed(unplanned)}."


def _of_votes(run: Run, facts: Facts, ballots: Ballots | None) -> Iterator[str]:
    design, voting = facts.study.voting, read_voting(run)
    if design is None:
        yield "The study asks nobody: it has no voting part."
        return
    if ballots is None:
        yield "The vote is still open: no vote is shown before it closes." if voting else "The vote was never opened."
        return
    raters, prompts = ballots.counted["rater"].nunique(), ballots.counted["prompt_key"].nunique()
    planned = planned_sheets(run, design)
    if planned is not None and raters != planned:
        yield f"Raters: {planned} planned, {raters} analysed."
    if design.sample and prompts != design.sample:
        yield f"Prompts to vote on: {design.sample} planned, {prompts} analysed."
    for reason, n in ballots.left_out.items():
        if "excluded" in reason or "simulated" in reason:
            yield f"{_format.plural(n, 'vote')} left out: {reason}."
    if ballots.simulated:
        yield "All votes that count were cast by a program."
    if reported := voting.get("reported_images"):
        yield f"Raters reported {_format.plural(len(reported), 'image')} as unfit."


def _amendments(run: Run) -> Iterator[str]:
    """What was changed after opening, as the log has it."""
    voting = read_voting(run)
    for amendment in voting.get("amendments") or ():
        changes = [f"{one['key']} from {one['before']} to {one['after']}" for one in amendment.get("changes", ())]
        at, reason = (
            str(amendment.get("at", ""))[:16].replace("T", " "),
            str(amendment.get("reason") or "no reason given"),
        )
        yield f"Amended on {at} UTC: {_format.listed(changes) or 'nothing named'} ({_format.tame(reason)})."


def _interim_reports(run: Run) -> int:
    """Looks at the votes before closing: in the run's log, or in the log of the vote."""
    told = read_voting(run).get("events") or ()
    events = sum("interim" in str(event.get("what")) for event in told)
    return max(events, sum(1 for line in run.log_lines() if line.get("what") == INTERIM_EVENT))
