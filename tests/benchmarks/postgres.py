"""A study of a million assignments on PostgreSQL: what a rater's requests cost, and fifty raters who write at once.

    python -m tests.benchmarks.postgres --assignments 1000000 --writers 50 --write

The tables are filled by generate_series: sheets of fifty, nine tenths of them finished, each finished assignment with
two votes. Then every statement that the raters' own functions send is explained (EXPLAIN ANALYZE, warm, the median of
several raters), and the functions themselves are timed. Then fifty threads, each a rater, vote at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, select, text

from evalkit.errors import VotingError
from evalkit.settings import Settings
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import counting, serving
from tests.benchmarks.machine import described
from tests.chaos.cluster import cluster
from tests.chaos.servers import new_checkout
from tests.voting.studies import NOW, Trial, freeze, write_study

RESULTS = Path(__file__).with_suffix(".md")
PER_SHEET, TIMES = 50, 9
LATE = NOW + timedelta(hours=60)
"""When the sheets that were left half-way have lapsed"""

FILL = [
    """INSERT INTO prompt (study_id, key, lang, text, translations)
       SELECT :study, 'p-' || n, 'en', 'prompt ' || n, '{}' FROM generate_series(1, :pairs) n""",
    """INSERT INTO image (prompt_id, arm, key, path, sha256)
       SELECT id, arm, md5(id || arm), 'none', repeat('0', 64) FROM prompt, unnest(ARRAY['aaaa0000', 'bbbb0000']) arm
       WHERE key LIKE 'p-%'""",
    """INSERT INTO comparison (study_id, image_a_id, image_b_id, kind, votes_wanted)
       SELECT :study, min(id), max(id), 'vote', 1 FROM image
       WHERE arm IN ('aaaa0000', 'bbbb0000') GROUP BY prompt_id""",
    """INSERT INTO rater (study_id, code, token_sha, invited_at, expires_at, simulated, languages, background, viewing,
       consented_at, consent_version, completion_code)
       SELECT :study, 'r-' || n, md5('t' || n), :now, CAST(:now AS timestamptz) + interval '30 days', false, '["en"]',
              '{}', '{}', :now, '1', 'X'
       FROM generate_series(1, :taken) n""",
    """INSERT INTO sheet (study_id, rater_id, simulated, questions, hides_prompt)
       SELECT :study, r.id, false, '["aesthetics", "alignment"]', false
       FROM generate_series(1, :sheets) n LEFT JOIN rater r ON r.code = 'r-' || n""",
    """INSERT INTO assignment (sheet_id, comparison_id, position, occasion, a_is_left, draw, served_at, finished_at,
       expires_at)
       SELECT s.id, c.first + (s.number * 50 + n) % c.many, n, 1, n % 2 = 0, 0,
              CASE WHEN s.number <= :finished OR s.number <= :taken AND n = 1 THEN :now END,
              CASE WHEN s.number <= :finished THEN :now END,
              CASE WHEN s.number <= :finished OR s.number <= :taken AND n = 1
                   THEN CAST(:now AS timestamptz) + interval '48 hours' END
       FROM (SELECT id, row_number() OVER (ORDER BY id) number FROM sheet WHERE id > :before) s,
            (SELECT min(id) first, count(*) many FROM comparison WHERE id > :pairs_before) c,
            generate_series(1, 50) n""",
    """INSERT INTO vote (assignment_id, question, choice, response_ms, cast_at, app_version, simulated)
       SELECT a.id, q, (ARRAY['left', 'tie', 'right', 'neither'])[1 + a.id % 4], 3000, :now, 'test', false
       FROM assignment a, unnest(ARRAY['aesthetics', 'alignment']) q WHERE a.finished_at IS NOT NULL""",
]


FREED = text(
    """UPDATE sheet SET simulated = false
       WHERE rater_id IS NULL AND (SELECT count(*) FROM assignment WHERE sheet_id = sheet.id) >= :comparisons"""
)
"""Sheets with work for a whole crowd's member; the trial's own have less"""


@dataclass
class Cost:
    """What one of the functions costs: its statements one by one, and the whole, in milliseconds."""

    name: str
    statements: dict[str, list[float]] = field(default_factory=dict)
    scans: set[str] = field(default_factory=set)
    whole: list[float] = field(default_factory=list)

    def row(self) -> str:
        slowest = max((statistics.median(times) for times in self.statements.values()), default=0.0)
        worst = max((max(times) for times in self.statements.values()), default=0.0)
        whole = statistics.median(self.whole)
        scans = ", ".join(sorted(self.scans)) or "none"
        count = f"{len(self.statements)} | {len(self.whole)}"
        return f"| {self.name} | {count} | {slowest:.2f} | {worst:.2f} | {whole:.1f} | {scans} |"


def fill(trial: Trial, assignments: int) -> None:
    """The tables of a study with so many assignments; the last tenth of the sheets is taken and unfinished, or free."""
    sheets = assignments // PER_SHEET
    with trial.engine.begin() as connection:
        before = connection.scalar(text("SELECT coalesce(max(id), 0) FROM sheet"))
        pairs_before = connection.scalar(text("SELECT coalesce(max(id), 0) FROM comparison"))
        known = {
            "study": trial.study_id, "now": NOW, "pairs": max(100, sheets // 2), "sheets": sheets, "before": before,
            "taken": sheets * 95 // 100, "finished": sheets * 9 // 10, "pairs_before": pairs_before,
        }  # fmt: skip
        for statement in FILL:
            connection.execute(text(statement), {name: known[name] for name in known if f":{name}" in statement})
    with trial.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


@contextmanager
def explained(engine: Engine, cost: Cost) -> Iterator[None]:
    """Explains every SELECT before it runs; sequential scans of large tables are noted."""

    def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            return
        explaining = connection.connection.cursor()
        explaining.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        (plan,) = explaining.fetchone()[0]
        cost.statements.setdefault(statement, []).append(plan["Execution Time"])
        cost.scans |= set(_scans(plan["Plan"]))

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan" and plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) > 1000:
        yield f"{plan['Relation Name']} ({plan['Actual Rows'] + plan.get('Rows Removed by Filter', 0):,.0f} rows)"
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def costs(trial: Trial) -> list[Cost]:
    """Each of a rater's requests, by raters in the middle of their sheets, and by those who come new."""
    with db.session(trial.engine, reading=True) as session:
        unfinished = select(SheetRow.rater_id).join(AssignmentRow).where(AssignmentRow.finished_at.is_(None))
        middle = list(session.scalars(unfinished.where(SheetRow.rater_id.is_not(None)).distinct().limit(TIMES)))
    shown = {rater: trial.show(rater) for rater in middle}

    def cast(session: Any, rater: int) -> None:
        serving.cast(session, rater, shown[rater].assignment_id, "aesthetics", "left", 9, NOW, "test")

    def finish(session: Any, rater: int) -> None:
        serving.cast(session, rater, shown[rater].assignment_id, "alignment", "tie", 9, NOW, "test")
        serving.finish(session, rater, shown[rater].assignment_id, NOW)

    found = [
        _cost("the next comparison", trial, middle, lambda s, r: serving.next_comparison(s, r, NOW)),
        _cost("an answer", trial, middle, cast),
        _cost("an answer, and on", trial, middle, finish),
        _cost("undo", trial, middle, lambda s, r: serving.undo(s, r, NOW)),
    ]
    new = trial.arrive(TIMES)
    found.append(_cost("a new rater takes a sheet", trial, new, lambda s, r: serving.next_comparison(s, r, NOW)))
    with trial.engine.begin() as connection:  # no sheet is free any more
        connection.execute(text("UPDATE sheet SET simulated = true WHERE rater_id IS NULL"))
    early = trial.arrive(TIMES)
    found.append(_cost("a new rater finds nothing left", trial, early, _refused))
    late = trial.arrive(TIMES, now=LATE)
    pool = "a new rater takes what another left"
    found.append(_cost(pool, trial, late, lambda s, r: serving.next_comparison(s, r, LATE)))
    return found


def _refused(session: Any, rater: int) -> None:
    """No sheet is free, and nobody has left one."""
    try:
        serving.next_comparison(session, rater, NOW)
    except VotingError:
        return
    raise RuntimeError("there was work where none should be")


def _cost(name: str, trial: Trial, raters: list[int], work: Callable[[Any, int], object]) -> Cost:
    """The first rater warms the caches; the others are explained, and timed without."""
    cost = Cost(name)
    for number, rater in enumerate(raters):
        if number % 2:
            with explained(trial.engine, cost), db.session(trial.engine) as session:
                work(session, rater)
            continue
        started = time.perf_counter()
        with db.session(trial.engine) as session:
            work(session, rater)
        cost.whole += [1000 * (time.perf_counter() - started)] if number else []
    return cost


@dataclass
class Crowd:
    """What became of many raters who voted at once."""

    writers: int
    acknowledged: Counter[tuple[int, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    took: float = 0.0


def crowd(trial: Trial, writers: int, comparisons: int) -> Crowd:
    """Threads, each a rater of its own, begin at the same moment."""
    with trial.engine.begin() as connection:
        connection.execute(FREED, {"comparisons": comparisons})
    found, raters, barrier = Crowd(writers), trial.arrive(writers), threading.Barrier(writers)
    lock = threading.Lock()

    def work(rater: int) -> None:
        barrier.wait()
        try:
            for _ in range(comparisons):
                _one(trial, rater, found, lock)
        except Exception as error:
            found.errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=[rater]) for rater in raters]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.took = time.perf_counter() - started
    with db.session(trial.engine, reading=True) as session:
        mine = select(VoteRow.assignment_id, VoteRow.question).join(AssignmentRow).join(SheetRow)
        there = Counter(tuple(row) for row in session.execute(mine.where(SheetRow.rater_id.in_(raters))))
    found.lost = sum(1 for one in found.acknowledged if not there[one])
    found.doubled = sum(1 for count in there.values() if count > 1) + len(there.keys() - found.acknowledged.keys())
    return found


def _one(trial: Trial, rater: int, found: Crowd, lock: threading.Lock) -> None:
    shown = trial.show(rater)
    for question in shown.questions:
        started = time.perf_counter()
        with db.session(trial.engine) as session:
            serving.cast(session, rater, shown.assignment_id, question.name, "left", 9, NOW, "test")
        with lock:
            found.seconds.append(time.perf_counter() - started)
            found.acknowledged[shown.assignment_id, question.name] += 1
    with db.session(trial.engine) as session:
        serving.finish(session, rater, shown.assignment_id, NOW)


@contextmanager
def large_study(folder: Path, assignments: int) -> Iterator[Trial]:
    """A cluster of its own, with fsync on, and the filled study in it."""
    with cluster(folder / "cluster", "shared_buffers=256MB", "max_wal_size=4GB") as server:
        engine = db.open_engine(server.url)
        db.upgrade(engine)
        own = Settings(root=new_checkout(folder / "checkout"), _env_file=None)
        trial = freeze(engine, write_study(own.root, prompt_count=1, images=1, raters=1), own)
        with engine.begin() as connection:
            connection.execute(text("UPDATE sheet SET simulated = true"))
        fill(trial, assignments)
        yield trial
        engine.dispose()


HEAD = "| request | statements | raters | slowest statement, ms (median) | (worst) | whole request, ms | large scans |"
HEAD += "\n|---|---|---|---|---|---|---|"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--assignments", type=int, default=1_000_000)
    options.add_argument("--writers", type=int, default=50)
    options.add_argument("--comparisons", type=int, default=10)
    options.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalkit-pg-") as name:
        Path(name).chmod(0o755)
        started = time.perf_counter()
        with large_study(Path(name), asked.assignments) as trial:
            filled = time.perf_counter() - started
            rows = [cost.row() for cost in costs(trial)]
            asked_at = time.perf_counter()
            with db.session(trial.engine, reading=True) as session:
                seen = counting.counts(session, trial.study_id, NOW)
            took = time.perf_counter() - asked_at
            met = crowd(trial, asked.writers, asked.comparisons)
    half, most = (1000 * quantile for quantile in _quantiles(met.seconds))
    said = [
        "# PostgreSQL at size",
        (__doc__ or "").split("\n\n")[2].strip(),
        f"Machine: {described()}; server and clients on it, fsync on.",
        f"{asked.assignments:,} assignments, {seen.votes:,} votes; filled in {filled:.0f} s.",
        "\n".join([HEAD, *rows]),
        f"`evalkit status` counts them in {took:.2f} s.",
        f"{met.writers} writers at once: {sum(met.acknowledged.values()):,} answers acknowledged, {met.lost} lost, "
        f"{met.doubled} doubled, {len(met.errors)} errors; an answer took {half:.0f} ms (median), {most:.0f} (95 %), "
        f"{len(met.seconds) / met.took:.0f} answers a second.",
    ]
    page = "\n\n".join(said) + "\n"
    print(page, json.dumps(met.errors[:3]))
    if asked.write:
        RESULTS.write_text(page)


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))]


if __name__ == "__main__":
    main()
