"""`evalkit vote`: the blind study, from freezing it to handing its votes to the report."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from evalkit import prompts
from evalkit.errors import MissingExtraError, VotingError
from evalkit.metrics import _before_raters
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.plan import PlannedImage, select_prompts, spare_keys, voting_keys
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import db, drawing
from evalkit.store.files import write_text
from evalkit.store.manifest import add_stage
from evalkit.store.run import Run
from evalkit.voting import arms, closing, counting, enough, invites, leaks, monitor, opening, pictures, seals
from evalkit.voting.withheld import SafetyCheck

SAID_LINKS = 10
"""Up to this many links are said as well; more are written to a file or given as JSON."""


def open_study(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    beside: bool = False,
    unchecked: str = "",
    progress: Progress = silent,
) -> Outcome:
    """Freezes a study and opens it for votes. A study that is open already stays as it is, and the outcome says so.

    Pictures of models that can draw people go through the check for unsafe images first (`_before_raters.is_needed`).

    Args:
        beside: open it although a study of this name, from a file that was changed since, is open too.
        unchecked: why it is opened without that check; the log and the report say so.

    Raises:
        VotingError: closed already, changed since, images are missing or damaged (it says which), or the check for
            unsafe images cannot be made.
    """
    run, engine, started = _run(resolved, settings), db.connect(settings), time.perf_counter()
    with run.lock("vote open", wait=settings.wait):
        with db.session(engine, reading=True) as session:
            study = opening.find_study(session, resolved)
        if study is not None and study.closed_at is None:
            said = f"open already, since {study.opened_at:%Y-%m-%d %H:%M} UTC; nothing was changed"
            return Outcome(said, where=run.folder, next=f"evalkit vote invite {_name(resolved)}")
        opened, safety = _open(engine, resolved, settings, run, beside, unchecked, progress)
        facts = _facts(opened) | safety.detail
        add_stage(run, "vote open", seconds=time.perf_counter() - started, **facts)
        found = _record(engine, resolved, run, settings)
    said = (
        f"open: {opened.comparisons} comparisons on {opened.sheets} sheets of {opened.per_sheet}\n"
        f"head of the log, to be written down: {opened.head}"
    )
    if opened.flagged:
        withheld = f"{len(opened.flagged)} images are flagged as unsafe: {opened.left_out} are not shown"
        found = (withheld, *found)
    if safety.checked:
        said += f"\nunsafe-image check: {safety.checked} images, {len(safety.above)} above its threshold"
    if safety.unchecked:
        found = (f"opened without the check for unsafe images: {safety.unchecked}", *found)
    return Outcome(said, where=run.folder, next=f"evalkit vote invite {_name(resolved)}", facts=facts, warnings=found)


def invite(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    count: int = 1,
    days: float = 30,
    out: Path | None = None,
    return_url: str | None = None,
    languages: Sequence[str] = (),
) -> Outcome:
    """Makes `count` links, one rater each, valid for `days` days; with `out`, as CSV (code, link, expires_at).

    Args:
        return_url: where a recruiting platform wants its people back; `{code}` stands for the completion code.
        languages: those that these raters read.
    """
    with db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        made = invites.invite(
            session, study.id, count=count, valid_days=days, now=_now(), app_url=settings.app_url,
            return_url=return_url, languages=languages,
        )  # fmt: skip
        if out is not None:
            write_text(out, _csv(made))  # before the commit: no invite whose link is lost
        seats = counting.places(session, study)
        invited = sum(not rater.simulated for rater in monitor.progress(session, study.id, _now()).raters)
    links = [item.link for item in made]
    said = f"{count} invites, valid for {days:g} days" + (f", written to {out}" if out else "")
    if out is None and count <= SAID_LINKS:
        said = "\n".join([said, *links])
    warnings = (f"{invited} invites for {seats} places: who comes late finds none",) if invited > seats else ()
    facts = {"links": links, "valid_days": days}
    return Outcome(said, where=out, next="evalkit app rater", facts=facts, warnings=warnings)


def status(resolved: ResolvedStudy, settings: Settings) -> Outcome:
    """How far the voting is, without a word on who leads."""
    with db.session(db.connect(settings), reading=True) as session:
        study = opening.require_study(session, resolved)
        seen, stop = monitor.progress(session, study.id, _now()), enough.enough(session, study.id)
    people = [rater for rater in seen.raters if not rater.simulated]
    states = {state: sum(rater.state == state for rater in people) for state in sorted({r.state for r in people})}
    facts = {
        "open": seen.closed_at is None,
        "comparisons_finished": seen.finished,
        "comparisons_planned": seen.planned,
        "votes": seen.votes,
        "simulated_votes": seen.simulated_votes,
        "raters": states,
        "median_response_ms": seen.handling.median_ms,
        "excluded": sum(bool(rater.excluded_because) for rater in people),
        "enough": asdict(stop),
    }
    raters = ", ".join(f"{count} {state}" for state, count in states.items()) or "nobody invited yet"
    said = (
        f"{'open' if seen.closed_at is None else 'closed'}: {seen.finished} of {seen.planned} comparisons finished, "
        f"{seen.votes - seen.simulated_votes} votes by people, {seen.simulated_votes} simulated; {raters}\n{stop.said}"
    )
    return Outcome(said, next=f"evalkit vote close {_name(resolved)}", facts=facts)


def verify(resolved: ResolvedStudy, settings: Settings, *, head: str | None = None) -> Outcome:
    """Proves that log, frozen design and sealed votes are unbroken and that nothing stored tells systems apart.

    Args:
        head: the hash that was printed at opening or closing.

    Raises:
        VotingError: they are not; it says what.
    """
    with db.session(db.connect(settings), reading=True) as session:
        study = opening.require_study(session, resolved)
        faults = seals.verify(session, study.id, head) + leaks.find(session, study, settings, _names(resolved))
    if faults:
        raise VotingError("; ".join(faults), where=resolved.run_name, hint="restore a backup, or open the study anew")
    return Outcome("log, design and votes are unbroken; files and tables tell no system", facts={"faults": []})


def close(resolved: ResolvedStudy, settings: Settings) -> Outcome:
    """Closes a study for good, seals its votes and writes votes.parquet, raters.parquet and voting.json.

    Again is harmless: the same votes are written.
    """
    run, started = _run(resolved, settings), time.perf_counter()
    with run.lock("vote close", wait=settings.wait), db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        link = arms.read(run, resolved.sha)
        names = [system.name for system in resolved.study.systems]
        closed = closing.close(session, study, link, names, _now())
        run.write_table("votes.parquet", closed.votes, "votes")
        run.write_table("raters.parquet", closed.raters, "raters")
        run.write_json("voting.json", closed.record)
        simulated = int(closed.votes["simulated"].sum())
        facts = {"head": closed.record["head"], "votes": len(closed.votes), "simulated_votes": simulated}
        add_stage(run, "vote close", seconds=time.perf_counter() - started, **facts)
    said = f"closed with {facts['votes']} votes, {simulated} of them simulated\nhead of the log: {facts['head']}"
    return Outcome(said, where=run.folder, next=f"evalkit report {_name(resolved)}", facts=facts)


def is_closed(resolved: ResolvedStudy, settings: Settings) -> bool:
    """Whether the study was opened and closed in this database."""
    with db.session(db.connect(settings), reading=True) as session:
        study = opening.find_study(session, resolved)
    return study is not None and study.closed_at is not None


def _open(
    engine: Engine,
    resolved: ResolvedStudy,
    settings: Settings,
    run: Run,
    beside: bool,
    unchecked: str,
    progress: Progress,
) -> tuple[opening.Opened, SafetyCheck]:
    """Chooses the images that raters shall see, has them looked at, and opens."""
    design, parallel = opening.require_design(resolved), prompts.load(resolved.prompt_set, settings)
    chosen = select_prompts(parallel, resolved)
    planned = drawing.planned(run, chosen, resolved)
    judged = opening.shown_images(planned, voting_keys(chosen, resolved), design)
    spare = opening.spare_images(planned, spare_keys(chosen, resolved))
    safety = _looked_at(run, resolved, [*judged, *spare], settings, unchecked.strip(), progress)
    opened = opening.open_study(
        engine, resolved, judged, run, settings, _now(), progress, spare=spare, parallel=parallel, beside=beside,
        safety=safety,
    )  # fmt: skip
    return opened, safety


def _looked_at(
    run: Run,
    resolved: ResolvedStudy,
    planned: Sequence[PlannedImage],
    settings: Settings,
    unchecked: str,
    progress: Progress,
) -> SafetyCheck:
    """The check for unsafe images, on what raters shall see; where it cannot be made, a reason must be given."""
    if unchecked or not _before_raters.is_needed(resolved):
        return SafetyCheck(unchecked=unchecked)
    images, threshold = run.read_table("images.parquet", "images"), opening.require_design(resolved).unsafe_above
    shown = images[images["key"].isin([image.key for image in planned])]
    try:
        found = _before_raters.look(run, shown, settings, progress)
    except MissingExtraError as error:
        hint = f"{error.hint}; or --unchecked 'why not', which the report repeats"
        raise VotingError(
            "raters shall see pictures that nobody checked for unsafe ones", where=str(error), hint=hint
        ) from None
    return SafetyCheck(len(shown), found.above(threshold), threshold, found.instrument)


def _record(engine: Engine, resolved: ResolvedStudy, run: Run, settings: Settings) -> tuple[str, ...]:
    """Writes voting.json; gives the leaks that were found, if any."""
    with db.session(engine, reading=True) as session:
        study = opening.require_study(session, resolved)
        run.write_json("voting.json", closing.record(session, study))
        return tuple(leaks.find(session, study, settings, _names(resolved)))


def _facts(opened: opening.Opened) -> dict[str, Any]:
    shown = opened.gallery
    return {
        "head": opened.head,
        "comparisons": opened.comparisons,
        "sheets": opened.sheets,
        "comparisons_per_rater": opened.per_sheet,
        "images": len(shown.pictures),
        "flagged_images": list(opened.flagged),
        "left_out": opened.left_out,
        "shown_at": {"width": shown.size.width, "height": shown.size.height},
        "enlarged_by": pictures.RESAMPLING if shown.enlarged else None,
    }


def _names(resolved: ResolvedStudy) -> list[str]:
    """The words that must not appear where raters or the database can see them."""
    systems = [name for system in resolved.study.systems for name in (system.name, system.label, system.model)]
    cards = [name for card in resolved.cards.values() for name in (card.title, card.source)]
    return sorted({*systems, *cards})


def _csv(made: Sequence[invites.Invite]) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["code", "link", "expires_at"])
    writer.writerows([item.code, item.link, item.expires_at.isoformat(timespec="minutes")] for item in made)
    return table.getvalue()


def _run(resolved: ResolvedStudy, settings: Settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def _name(resolved: ResolvedStudy) -> str:
    return resolved.study.name


def _now() -> datetime:
    return datetime.now(UTC)
