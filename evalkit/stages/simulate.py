"""`evalkit simulate`: a panel of programs votes in an open study, by its own functions or at a served app.

For planning, load, soak and tests: what the panel prefers is planted, and every vote is marked simulated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Engine

from evalkit.errors import VotingError
from evalkit.outcome import Outcome, Progress, silent
from evalkit.registry import unknown
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import db
from evalkit.store.manifest import add_stage
from evalkit.store.run import Run
from evalkit.voting import arms, opening, simulate, simulate_served
from evalkit.voting.panelists import USUAL, Prefer, Temper, panelist
from evalkit.voting.planted import IMAGE_SPREAD, PROMPT_SPREAD, planted_quality, strengths_by_steps
from evalkit.voting.simulate_served import Panel


@dataclass(frozen=True)
class Served:
    """At a served app: its address, how many raters at once, and how many times faster than people (0: no pauses)."""

    address: str
    at_once: int = 50
    speed: float = 0.0


def simulate_panel(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    raters: int | None = None,
    seed: int = 0,
    planted: Mapping[str, float] | None = None,
    temper: Temper = USUAL,
    prompt_spread: float = PROMPT_SPREAD,
    image_spread: float = IMAGE_SPREAD,
    server: Served | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Lets simulated raters vote, as many as the study wants if `raters` is None; their votes are marked so.

    Args:
        planted: what the panel prefers, system -> logits; by default it follows from the step counts.
        temper: how the raters are.
        prompt_spread, image_spread: how what is planted varies from prompt to prompt and image to image, in logits.
        server: vote at this app, which serves the database of `settings`; else by the voting layer itself.

    Raises:
        SpecError: `planted` names no system of the study.
        VotingError: the study is not open, or another panel has voted already.
        UnavailableError: the app cannot be reached.
    """
    run, engine, started = Run(settings.runs_dir / resolved.run_name), db.connect(settings), time.perf_counter()
    strengths, raters = _strengths(resolved, planted), raters or opening.require_design(resolved).raters
    with run.lock("simulate", wait=settings.wait):
        with db.session(engine, reading=True) as session:
            study = opening.require_study(session, resolved)
        images, link = run.read_table("images.parquet", "images"), arms.read(run, resolved.sha)
        prefer = planted_quality(strengths, images, link, seed, prompt_spread=prompt_spread, image_spread=image_spread)
        facts: dict[str, Any] = {
            "raters": raters,
            "seed": seed,
            "planted_strengths": strengths,
            "spreads": {"prompt": prompt_spread, "image": image_spread},
            "temper": asdict(temper),
        }
        if server is None:
            facts["votes"] = simulate.simulate(
                engine, study.id, prefer, raters=raters, seed=seed, now=_now(), temper=temper, progress=progress
            )
        else:
            facts |= _at_the_app(engine, study.id, prefer, raters, seed, temper, server, progress)
        facts["seconds"] = round(time.perf_counter() - started, 3)
        if facts["votes"]:
            add_stage(run, "vote simulate", **facts)
    return Outcome(_said(facts), next=f"evalkit vote close {resolved.study.name}", facts=facts)


def _strengths(resolved: ResolvedStudy, planted: Mapping[str, float] | None) -> dict[str, float]:
    """Of all systems: those that are not planted follow from their steps, or are 0 where any is."""
    names = [system.name for system in resolved.study.systems]
    for name in planted or ():
        if name not in names:
            raise unknown("system", name, names, where="--strength")
    if planted is None:
        return dict(strengths_by_steps(resolved.study))
    return {name: planted.get(name, 0.0) for name in names}


def _at_the_app(
    engine: Engine,
    study_id: int,
    prefer: Prefer,
    raters: int,
    seed: int,
    temper: Temper,
    server: Served,
    progress: Progress,
) -> dict[str, Any]:
    """The panel at a served app; what it acknowledged, and how quickly."""
    with db.session(engine) as session:
        if simulate.begun(session, study_id, raters, seed, temper) is not None:
            hint = "the same without --server lets a panel that was cut off go on; it casts nothing twice"
            raise VotingError("this panel has voted already", hint=hint)
        arrived = simulate.begin(session, study_id, raters, seed, _now(), temper)
        wrong = simulate.wrong_sides(session, study_id)
    members = [(token, panelist(number, seed, temper)) for number, (_, token) in enumerate(arrived)]
    panel = Panel(members, prefer, temper, wrong, server.speed, server.at_once)
    heard = simulate_served.vote(server.address, panel, lambda done: progress("simulated raters", done, raters))
    quantiles = [round(float(value), 1) for value in 1000 * np.quantile(heard.seconds or [np.nan], [0.5, 0.95, 1])]
    return {
        "votes": len(heard.votes),
        "dropped_out": heard.left,
        "sent_again": heard.again,
        "acknowledged_ms": dict(zip(("median", "p95", "slowest"), quantiles, strict=True)) if heard.seconds else None,
    }


def _said(facts: dict[str, Any]) -> str:
    said = f"{facts['votes']} simulated votes by {facts['raters']} programs"
    if times := facts.get("acknowledged_ms"):
        said += f"; acknowledged in {times['median']:g} ms (median), {times['p95']:g} ms (95 %)"
    return said


def _now() -> datetime:
    return datetime.now(UTC)
