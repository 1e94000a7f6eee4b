"""Kills, fills, corrupts and starves evalkit, and writes the table of what became of it.

python -m tests.chaos --rounds 50 --servers 20 --nodes 5 --minutes 10 --seed 0 --write
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import faults, kills, rays, servers, workshop
from tests.chaos import twins as planted_faults
from tests.chaos.kills import Tally, UnfitError

RESULTS = Path(__file__).with_suffix("").with_name("CHAOS.md")
KILLS = "| what | kills | in a write | in a sync | in a rename | in a commit | in a transaction | elsewhere | faults |"
KILLS += "\n|---|---|---|---|---|---|---|---|---|"


PROCESSES = 3
Job = Callable[[float], Tally]
"""Kills until a moment (time.monotonic), if it is not through before"""
JOBS: dict[str, Job] = {}
"""What the forked processes find"""
SHARES = {"kills": 0.7, "faults": 0.82, "twins": 0.92}
"""Of the time that there is: after so much of it, nothing more of this part begins"""
HOW = """\
Of the stages, every other kill falls at a moment drawn uniformly over the stage's duration. The others are aimed: the
process is stopped inside a write (half of the content is in the file), before a sync to the disk or before a rename
(what makes a file count: the commit of a stage), drawn at random among all of them, and killed there. The app is killed
at random moments and inside commits, under a crowd of twelve; PostgreSQL whole, every process of it at once, at random
moments and while a client waits for a commit (the phases are those of twelve clients). A Ray node is killed with all of
its processes while two nodes draw, every other time while its worker stands in a phase; the command itself goes on.

After each kill of a stage the same command runs again, and every image, score and file is compared with those of an
undisturbed run. After each kill of a server, every acknowledged vote is looked for. A fault is what is lost,
doubled or different, or a command that does not end well."""


def main() -> int:
    asked, started, red = options(), time.monotonic(), 0
    found: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])
    ends = {part: started + 60 * (asked.minutes or math.inf) * share for part, share in SHARES.items()}
    cut, seen = found[3], None

    def keep() -> None:
        if asked.write:
            RESULTS.write_text(page(asked, *found, time.monotonic() - started))

    with tempfile.TemporaryDirectory(prefix="evalkit-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shop = workshop.build(folder / "shop")
        print(KILLS, flush=True)
        for tally in tallies(asked, shop, folder, ends["kills"]):
            found[0].append(tally.row())
            cut += [f"{tally.name} after {tally.kills} of {tally.wanted} kills"] if tally.kills < tally.wanted else []
            red, seen = red + len(tally.faults), tally.planted if tally.name == rays.NAME else seen
            print(f"{tally.row()}   {told(tally)}", flush=True)
            keep()
        met, failed = scenarios(shop, asked.only, ends["faults"], cut)
        found[1].extend(met)
        print("\n".join(met), flush=True)
        keep()
        found[2].extend(planted(asked, shop, folder, ends["twins"], cut, seen) if asked.twins else [])
        print("\n".join(found[2]), flush=True)
        keep()
        print(told_cut(asked, cut), flush=True)
    return int(bool(red or failed or any("**not seen**" in twin for twin in found[2])))


def told(tally: Tally) -> str:
    """What the table has no room for."""
    faults_ = "".join(f"\n    {fault}" for fault in dict.fromkeys(tally.faults))
    return f"({tally.seconds:.0f} s; too late {tally.too_late}; swept {tally.swept}){faults_}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="kills of generate, score and report, each")
    parser.add_argument("--servers", type=int, default=20, help="kills of the app and of PostgreSQL, each")
    parser.add_argument("--nodes", type=int, default=5, help="kills of a Ray node")
    parser.add_argument("--minutes", type=float, default=0.0, help="what does not fit is cut, and named; 0: no limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="*", default=[], help="generate score report app PostgreSQL 'a Ray node', or a fault's name"
    )
    parser.add_argument("--no-twins", dest="twins", action="store_false", help="without the planted faults")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


def tallies(asked: argparse.Namespace, shop: workshop.Workshop, folder: Path, until: float) -> Iterator[Tally]:
    """The kills, one kind after the other."""
    seed, many = asked.seed, asked.servers
    jobs: dict[str, Job] = {}
    if rays.there():  # it waits most of its time, so it begins first
        jobs[rays.NAME] = lambda until: rays.node_killed(
            folder / "ray", asked.nodes, seed, planted=asked.twins, until=until
        )
    for stage in kills.STAGES:
        jobs[stage.name] = lambda until, stage=stage: kills.killed(stage, shop, asked.rounds, seed, until=until)
    jobs["app"] = lambda until: servers.app_killed(folder / "app", many, seed, until=until)
    if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        jobs["PostgreSQL"] = lambda until: servers.postgres_killed(folder / "postgres", many, seed, until=until)
    chosen = {name: job for name, job in jobs.items() if not asked.only or name in asked.only}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as pool:
        global JOBS
        JOBS = chosen
        waiting = range(len(chosen), 0, -1)
        yield from pool.map(_tally, chosen, [until] * len(chosen), waiting)


def _tally(name: str, until: float, waiting: int) -> Tally:
    """One kind of kill, in a process forked from this one; of the time left, its share among those not yet begun."""
    now = time.monotonic()
    try:
        share = 1.0 if name == rays.NAME else min(1.0, PROCESSES / waiting)  # a node takes long to begin
        return JOBS[name](now + (until - now) * share)
    except BaseException as error:
        traceback.print_exc()
        return Tally(name, faults=[f"the suite itself failed: {error}"])


def scenarios(shop: workshop.Workshop, only: list[str], until: float, cut: list[str]) -> tuple[list[str], int]:
    """A row for each fault."""
    rows, failed = ["| fault | what is said | then |", "|---|---|---|"], 0
    for name, scenario in faults.SCENARIOS.items():
        if only and name not in only:
            continue
        if time.monotonic() > until:
            cut.append(name)
            continue
        try:
            met = scenario(shop)
            rows.append(f"| {name} | {_tame(met.showed, shop)} | {met.then} |")
        except faults.Skipped as lack:
            rows.append(f"| {name} | skipped: {lack} | |")
        except Exception as error:
            traceback.print_exc()
            failed += 1
            rows.append(f"| {name} | **FAILED**: {_tame(str(error), shop)[:300]} | |")
    return rows, failed


def _tame(said: str, shop: workshop.Workshop) -> str:
    return " ".join(said.replace(str(shop.root), "CHECKOUT").replace("|", "/").split())


def planted(
    asked: argparse.Namespace,
    shop: workshop.Workshop,
    folder: Path,
    until: float,
    cut: list[str],
    seen: list[str] | None,
) -> list[str]:
    """The same checks where a fault is planted: each must turn red. `seen`: what was, when a Ray node was killed."""
    rows = ["| planted fault | seen by |", "|---|---|"]

    def noted(name: str, what: str, work: Callable[[], list[str]]) -> None:
        if asked.only and name not in asked.only:
            return
        if time.monotonic() > until:
            cut.append(f"the planted fault of {name}")
            return
        try:
            found = work()
        except UnfitError as error:
            print(error, file=sys.stderr)
            found = []
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        rows.append(f"| {name}: {what} | {_tame(found[0], shop)[:160] if found else '**not seen**'} |")

    for stage in kills.STAGES:
        with kills.careless():
            what = "content written in place, what is there counts as done"
            noted(stage.name, what, lambda stage=stage: kills.killed(stage, shop, 6, 1, only="write").faults)
    hasty, lax = folder / "hasty", folder / "lax"
    noted("app", "acknowledged before it is committed", lambda: servers.app_killed(hasty, 4, 1, fault="hasty").faults)
    if seen is not None:
        noted(rays.NAME, "content written in place by a worker", lambda: seen)
    elif rays.there() and not asked.only:
        cut.append(f"the planted fault of {rays.NAME}")
    off = "synchronous_commit=off"
    noted("PostgreSQL", off, lambda: servers.postgres_killed(lax, 6, 1, off).faults)
    for name, (what, work) in planted_faults.TWINS.items():
        noted(name, what, lambda work=work: work(shop))
    return rows


def page(
    asked: argparse.Namespace, rows: list[str], met: list[str], twins: list[str], cut: list[str], seconds: float
) -> str:
    size = f"{asked.rounds} kills of each stage, {asked.servers} of each server, {asked.nodes} of a Ray node"
    size += f", seed {asked.seed}"
    ray = [] if rays.there() else [f"| {rays.NAME} | 0 | | | | | | | skipped: ray is not installed |"]
    parts = [
        "# What breaking evalkit does to it",
        f"`make chaos`: {size}; {seconds / 60:.1f} minutes. {machine()}",
        told_cut(asked, cut),
        "## kill -9",
        HOW,
        "\n".join([KILLS, *rows, *ray]),
        "## Other faults",
        "\n".join(met),
        "## The same checks with faults planted",
        "Each must be seen, or the tables above prove nothing.",
        "\n".join(twins),
    ]
    return "\n\n".join(parts) + "\n"


def told_cut(asked: argparse.Namespace, cut: list[str]) -> str:
    """What the time did not suffice for."""
    if not asked.minutes:
        return "Without a limit of time."
    left = f"what did not fit: {'; '.join(cut)}" if cut else "nothing was cut"
    return f"Limit: {asked.minutes:g} minutes; {left}."


def machine() -> str:
    """When and where the table was made."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, revision {git.stdout.strip()}, {os.cpu_count()} cores ({processor}), {system}."
    )


if __name__ == "__main__":
    sys.exit(main())
