"""`evalkit vote amend, interim, revoke, erase, rehearse`: what may change in a frozen study."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from evalkit.errors import VotingError
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import db
from evalkit.store.manifest import add_stage
from evalkit.store.run import Run
from evalkit.voting import amending, arms, closing, events, invites, opening, privacy, rehearsing


def amend(resolved: ResolvedStudy, settings: Settings, *, reason: str, changes: Sequence[str] = ()) -> Outcome:
    """Writes an amendment: a change of the plan, or a deviation in words; the report prints it.

    Args:
        changes: as `analysis.equivalence_margin=0.05`, values in YAML.

    Raises:
        VotingError: it cannot be amended (it says why).
    """
    with db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        head = amending.amend(session, study.id, reason, _parsed(changes), datetime.now(UTC))
        last = amending.amendments(session, study.id)[-1]
        _refresh(_run(resolved, settings), closing.record(session, study))
    said = "; ".join(f"{one['key']}: {one['before']} -> {one['after']}" for one in last.changes) or "noted"
    facts = {"head": head, "changes": list(last.changes), "reason": last.reason}
    return Outcome(f"amended: {said}\nhead of the log: {head}", facts=facts)


def interim(resolved: ResolvedStudy, settings: Settings, *, reason: str) -> Outcome:
    """Exports the votes of an open study. It is a line in the log and a deviation on every page of a report.

    Writes votes.parquet, raters.parquet and voting.json, whose `interim` says when and why.

    Raises:
        VotingError: the study is closed, or no reason is given.
    """
    run, started = _run(resolved, settings), time.perf_counter()
    with run.lock("vote interim", wait=settings.wait), db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        names = [system.name for system in resolved.study.systems]
        found = closing.interim(session, study, arms.read(run, resolved.sha), names, reason, datetime.now(UTC))
        run.write_table("votes.parquet", found.votes, "votes")
        run.write_table("raters.parquet", found.raters, "raters")
        run.write_json("voting.json", found.record)
        facts = {"head": found.record["head"], "votes": len(found.votes), "reason": reason}
        add_stage(run, "vote interim", seconds=time.perf_counter() - started, **facts)
    said = f"{facts['votes']} votes of an open study; the look is in its log\nhead of the log: {facts['head']}"
    return Outcome(said, where=run.folder, next=f"evalkit report {resolved.study.name} --interim", facts=facts)


def revoke(resolved: ResolvedStudy, settings: Settings, *, codes: Sequence[str]) -> Outcome:
    """Withdraws invites by code; the votes stay, what was left unfinished returns to the pool."""
    if not codes:
        raise VotingError("nobody was named", hint="--rater CODE, as `vote invite` gave it")
    with db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        raters = [invites.by_code(session, study.id, code) for code in codes]
        for rater in raters:
            invites.revoke(session, rater.id, datetime.now(UTC))
        known = [rater.code for rater in raters]
    return Outcome(f"withdrawn: {', '.join(known)}", facts={"codes": known})


def erase(resolved: ResolvedStudy, settings: Settings, *, codes: Sequence[str] = (), due: bool = False) -> Outcome:
    """Removes what raters told of themselves; their votes stay or go as the study file says.

    Args:
        due: of everybody, if `voting.retention_days` after closing have passed.
    """
    if not codes and not due:
        raise VotingError("nobody was named", hint="--rater CODE, as `vote invite` gave it, or --due")
    now = datetime.now(UTC)
    with db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        dropped = sum(privacy.erase(session, invites.by_code(session, study.id, code).id, now) for code in codes)
        retired = privacy.retire(session, study.id, now) if due else 0
        when, head = privacy.due_at(session, study), events.lines(session, study.id)[-1].sha
    said = [f"{len(codes)} raters erased, {dropped} votes dropped"] if codes else []
    if due:
        later = f"due on {when:%Y-%m-%d}" if when else "no time is set, or the study is open"
        said.append(f"what {retired} raters told of themselves is removed ({later})")
    old = "the tables of the run still name the old pseudonym: `evalkit vote close` writes them anew"
    warnings = (old,) if study.closed_at and _run(resolved, settings).has("votes.parquet") else ()
    facts = {"erased": len(codes), "votes_dropped": dropped, "retired": retired, "head": head}
    return Outcome("\n".join(said), facts=facts, warnings=warnings)


def rehearse(resolved: ResolvedStudy, settings: Settings, *, mode: str, raters: int, days: float) -> Outcome:
    """Opens a pilot or preview of an open study, and makes its links; its votes never mix with the study's."""
    now = datetime.now(UTC)
    with db.session(db.connect(settings)) as session:
        study = opening.require_study(session, resolved)
        number = rehearsing.rehearse(session, study.id, mode, now, sheets=raters)
        made = invites.invite(session, number, count=raters, valid_days=days, now=now, app_url=settings.app_url)
    links = [item.link for item in made]
    said = "\n".join([f"a {mode} with {raters} places, valid for {days:g} days", *links])
    return Outcome(said, next="evalkit app rater", facts={"study_id": number, "mode": mode, "links": links})


def _parsed(changes: Sequence[str]) -> Mapping[str, Any]:
    parsed = {}
    for change in changes:
        key, is_there, value = change.partition("=")
        if not is_there:
            raise VotingError(f"no value: {change!r}", where="--set", hint="analysis.equivalence_margin=0.05")
        try:
            parsed[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise VotingError(f"the value cannot be read: {value!r}", where="--set") from None
    return parsed


def _refresh(run: Run, record: dict[str, Any]) -> None:
    """The amendment reaches voting.json at once; what only closing or an interim look knows stays as it was."""
    if run.has("voting.json"):
        before = run.read_json("voting.json")
        run.write_json("voting.json", before | record | {"interim": before.get("interim")})


def _run(resolved: ResolvedStudy, settings: Settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)
