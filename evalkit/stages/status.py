"""`evalkit status`: what of a study has run, what is missing, who is at it, how quickly, and how long it will take.

It looks at tables and counts, never at each image, so that a run of a million images answers at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from evalkit import prompts
from evalkit.errors import EvalkitError
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.plan import count_images, select_prompts
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import db, image_table, locking, pace
from evalkit.store.locking import Holder
from evalkit.store.run import LOCK, Run
from evalkit.voting import counting, opening

READ = ("images.parquet", "metrics.json", "votes.parquet", "voting.json", "audit.parquet")
"""What a report is made of"""
DONE, PARTLY, NOTHING, UNKNOWN, ABSENT = "done", "partly", "not begun", "unknown", "not asked"


@dataclass(frozen=True)
class Step:
    """How far a stage is. `done` of `planned` things called `unit`; None where that cannot be known, and `said` why."""

    stage: str
    state: str
    unit: str = ""
    done: int | None = None
    planned: int | None = None
    per_second: float | None = None
    seconds_left: float | None = None
    said: str = ""


def status(resolved: ResolvedStudy, settings: Settings) -> Outcome:
    """The stages of a study, each with what is done and what is missing; the process that works on it, or died."""
    run = Run(settings.runs_dir / resolved.run_name)
    running, died = locking.holder(run.path(LOCK)), locking.died(run.path(LOCK))
    going = pace.read(run.folder) if running else None
    steps = [_generate(run, resolved, settings, going), _score(run, resolved), *_vote(resolved, settings)]
    steps += [step for step in (_audit(run, resolved), _bench(run)) if step]
    steps.append(_report(run, settings))
    facts = {
        "run": str(run.folder),
        "stages": [asdict(step) for step in steps],
        "running": asdict(running) if running else None,
        "died": asdict(died) if died else None,
        "progress": asdict(going) | {"per_second": going.per_second, "seconds_left": going.seconds_left}
        if going
        else None,
        "last": run.log_lines()[-1:],
    }
    return Outcome(_said(steps, running, died, going), where=run.folder, next=_next(steps, resolved), facts=facts)


def _generate(run: Run, resolved: ResolvedStudy, settings: Settings, going: pace.Pace | None) -> Step:
    there = sum(image_table.count(run).values())
    try:
        chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    except EvalkitError as error:
        return Step("generate", UNKNOWN, "images", there, None, said=f"the plan is unknown: {error.what}")
    planned = sum(count_images(chosen, resolved).values())
    if going is not None and going.what == "images":
        there = max(there, planned - going.total + going.done)
        return Step("generate", PARTLY, "images", there, planned, going.per_second, going.seconds_left)
    return Step("generate", _state(there, planned), "images", there, planned)


def _score(run: Run, resolved: ResolvedStudy) -> Step:
    wanted = [choice.name for choice in resolved.study.metrics]
    if not wanted:
        return Step("score", ABSENT, said="the study names no metrics")
    record = run.read_json("metrics.json") if run.has("metrics.json") else {}
    known = [name for name in wanted if name in record.get("metrics", {}) and run.has(f"scores/{name}.parquet")]
    missing = [name for name in wanted if name not in known]
    said = f"missing: {', '.join(missing)}" if missing and known else ""
    return Step("score", _state(len(known), len(wanted)), "metrics", len(known), len(wanted), said=said)


def _vote(resolved: ResolvedStudy, settings: Settings) -> list[Step]:
    if resolved.study.voting is None:
        return []
    try:
        engine = db.open_existing(settings)
        if engine is None:
            return [Step("vote", NOTHING, "comparisons", said="not open")]
        with db.session(engine, reading=True) as session:
            return [_voting(session, resolved)]
    except EvalkitError as error:
        return [Step("vote", UNKNOWN, "comparisons", said=error.what)]


def _voting(session: Session, resolved: ResolvedStudy) -> Step:
    study = opening.find_study(session, resolved)
    if study is None:
        return Step("vote", NOTHING, "comparisons", said="not open")
    seen = counting.counts(session, study.id, datetime.now(UTC))
    state = DONE if study.closed_at else PARTLY
    said = f"{'closed' if study.closed_at else 'open'}; {seen.votes} votes by people, {seen.simulated} simulated"
    left = seen.seconds_left if state == PARTLY else None
    return Step("vote", state, "comparisons", seen.finished, seen.planned, seen.per_second, left, said)


def _audit(run: Run, resolved: ResolvedStudy) -> Step | None:
    if resolved.study.audit is None and not run.has("audit.parquet"):
        return None
    return Step("audit", DONE if run.has("audit.parquet") else NOTHING)


def _bench(run: Run) -> Step | None:
    return Step("bench", DONE) if run.has("latency.parquet") else None


def _report(run: Run, settings: Settings) -> Step:
    page = settings.reports_dir / run.name / "index.html"
    if not page.is_file():
        return Step("report", NOTHING)
    of = [run.path(name) for name in READ]
    newer = [path.name for path in of if path.is_file() and path.stat().st_mtime > page.stat().st_mtime]
    return Step("report", PARTLY if newer else DONE, said=f"older than {', '.join(newer)}" if newer else "")


def _state(done: int, planned: int) -> str:
    return DONE if done >= planned else PARTLY if done else NOTHING


def _said(steps: list[Step], running: Holder | None, died: Holder | None, going: pace.Pace | None) -> str:
    lines = [_line(step) for step in steps]
    if running:
        lines.append(f"running: {running}")
        if going and going.what != "images":
            speed = _speed(going.per_second, going.seconds_left)
            lines.append(f"  {going.what} {going.done:,} of {going.total:,}{speed}")
    if died:
        lines.append(f"died: {died}; the same command goes on where it stopped")
    return "\n".join(lines)


def _line(step: Step) -> str:
    counted = "" if step.done is None else f"{step.done:,} of {'?' if step.planned is None else f'{step.planned:,}'} "
    told = f"{counted}{step.unit}{_speed(step.per_second, step.seconds_left)}" if step.done is not None else ""
    return f"{step.stage:<9} {step.state:<10} {'; '.join(filter(None, (told, step.said)))}".rstrip()


def _speed(per_second: float | None, left: float | None) -> str:
    if per_second is None:
        return ""
    rate = f"{per_second:.2f} a second" if per_second >= 0.1 else f"{3600 * per_second:.1f} an hour"
    return f", {rate}" + (f", about {_duration(left)} left" if left is not None else "")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _next(steps: list[Step], resolved: ResolvedStudy) -> str:
    """The command that the first unfinished stage needs."""
    commands = {"generate": "generate", "score": "score", "audit": "audit", "report": "report"}
    for step in steps:
        if step.stage == "vote" and step.state in (NOTHING, PARTLY):
            verb = "open" if step.state == NOTHING else "close" if step.done == step.planned else "status"
            return f"evalkit vote {verb} {resolved.study.name}"
        if step.stage in commands and step.state in (NOTHING, PARTLY):
            return f"evalkit {commands[step.stage]} {resolved.study.name}"
    return ""
