"""Kills, fills, corrupts and starves evalkit, and writes the table of what became of it.

python -m tests.chaos --rounds 50 --servers 20 --seed 0 --write
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import faults, kills, servers, workshop
from tests.chaos import twins as planted_faults
from tests.chaos.kills import Tally

RESULTS = Path(__file__).with_suffix("").with_name("CHAOS.md")
KILLS = "| what | kills | in a write | in a sync | in a rename | in a commit | in a transaction | elsewhere | faults |"
KILLS += "\n|---|---|---|---|---|---|---|---|---|"


PROCESSES = 2
JOBS: dict[str, Callable[[], Tally]] = {}
"""What the forked processes find"""
HOW = """\
Of the stages, every other kill falls at a moment drawn uniformly over the stage's duration. The others are aimed: the
process is stopped inside a write (half of the content is in the file), before a sync to the disk or before a rename
(what makes a file count: the commit of a stage), drawn at random among all of them, and killed there. The app is killed
at random moments and inside commits, under a crowd of twelve; PostgreSQL whole, every process of it at once, at random
moments and while a client waits for a commit (the phases are those of twelve clients).

After each kill of a stage the same command runs again, and every image, score and file is compared with those of an
undisturbed run. After each kill of a server, every acknowledged vote is looked for. A fault is what is lost,
doubled or different, or a command that does not end well."""


def main() -> int:
    asked, started, red = options(), time.monotonic(), 0
    found: tuple[list[str], list[str], list[str]] = ([], [], [])

    def keep() -> None:
        if asked.write:
            RESULTS.write_text(page(asked, *found, time.monotonic() - started))

    with tempfile.TemporaryDirectory(prefix="evalkit-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shop = workshop.build(folder / "shop")
        print(KILLS, flush=True)
        for tally in tallies(asked, shop, folder):
            found[0].append(tally.row())
            red += len(tally.faults)
            print(f"{tally.row()}   {told(tally)}", flush=True)
            keep()
        met, failed = scenarios(shop, asked.only)
        found[1].extend(met)
        print("\n".join(met), flush=True)
        keep()
        found[2].extend(planted(asked, shop, folder) if asked.twins else [])
        print("\n".join(found[2]), flush=True)
        keep()
    return int(bool(red or failed or any("**not seen**" in twin for twin in found[2])))


def told(tally: Tally) -> str:
    """What the table has no room for."""
    faults_ = "".join(f"\n    {fault}" for fault in dict.fromkeys(tally.faults))
    return f"({tally.seconds:.0f} s; too late {tally.too_late}; swept {tally.swept}){faults_}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="kills of generate, score and report, each")
    parser.add_argument("--servers", type=int, default=20, help="kills of the app and of PostgreSQL, each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="generate score report app PostgreSQL, or a fault's name")
    parser.add_argument("--no-twins", dest="twins", action="store_false", help="without the planted faults")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


def tallies(asked: argparse.Namespace, shop: workshop.Workshop, folder: Path):
    """The kills, one kind after the other."""
    jobs: dict[str, Callable[[], Tally]] = {
        stage.name: (lambda stage=stage: kills.killed(stage, shop, asked.rounds, asked.seed)) for stage in kills.STAGES
    }
    jobs["app"] = lambda: servers.app_killed(folder / "app", asked.servers, asked.seed)
    if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        jobs["PostgreSQL"] = lambda: servers.postgres_killed(folder / "postgres", asked.servers, asked.seed)
    chosen = {name: job for name, job in jobs.items() if not asked.only or name in asked.only}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as pool:
        global JOBS
        JOBS = chosen
        yield from pool.map(_tally, chosen)


def _tally(name: str) -> Tally:
    """One kind of kill, in a process forked from this one."""
    try:
        return JOBS[name]()
    except BaseException as error:
        traceback.print_exc()
        return Tally(name, faults=[f"the suite itself failed: {error}"])


def scenarios(shop: workshop.Workshop, only: list[str]) -> tuple[list[str], int]:
    """A row for each fault."""
    rows, failed = ["| fault | what is said | then |", "|---|---|---|"], 0
    for name, scenario in faults.SCENARIOS.items():
        if only and name not in only:
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


def planted(asked: argparse.Namespace, shop: workshop.Workshop, folder: Path) -> list[str]:
    """The same checks where a fault is planted: each must turn red."""
    rows = ["| planted fault | seen by |", "|---|---|"]

    def noted(name: str, what: str, work: Callable[[], list[str]]) -> None:
        if asked.only and name not in asked.only:
            return
        try:
            found = work()
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        rows.append(f"| {name}: {what} | {_tame(found[0], shop)[:160] if found else '**not seen**'} |")

    for stage in kills.STAGES:
        with kills.careless():
            what = "content written in place, what is there counts as done"
            noted(stage.name, what, lambda stage=stage: kills.killed(stage, shop, 6, 1, only="write").faults)
    hasty, lax = folder / "hasty", folder / "lax"
    noted("app", "acknowledged before it is committed", lambda: servers.app_killed(hasty, 4, 1, fault="hasty").faults)
    off = "synchronous_commit=off"
    noted("PostgreSQL", off, lambda: servers.postgres_killed(lax, 6, 1, off).faults)
    for name, (what, work) in planted_faults.TWINS.items():
        noted(name, what, lambda work=work: work(shop))
    return rows


def page(asked: argparse.Namespace, rows: list[str], met: list[str], twins: list[str], seconds: float) -> str:
    size = f"{asked.rounds} kills of each stage, {asked.servers} of each server, seed {asked.seed}"
    ray = "| a Ray node | 0 | | | | | | | not in this suite |"
    parts = [
        "# What breaking evalkit does to it",
        f"`make chaos`: {size}; {seconds / 60:.1f} minutes. {machine()}",
        "## kill -9",
        HOW,
        "\n".join([KILLS, *rows, ray]),
        "## Other faults",
        "\n".join(met),
        "## The same checks with faults planted",
        "Each must be seen, or the tables above prove nothing.",
        "\n".join(twins),
    ]
    return "\n\n".join(parts) + "\n"


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
