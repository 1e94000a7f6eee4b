"""How long a report takes, and how much memory: from a thousand votes to a million, each size in a process of its own.

    python tests/benchmarks/report.py            # all four sizes, and the table in REPORT.md
    python tests/benchmarks/report.py 100000     # one size

The run folders are simulated (prompts, images and raters grow with the votes, as studies do) and deleted afterwards.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from evalkit.settings import Settings  # noqa: E402
from evalkit.stages.report import report  # noqa: E402
from evalkit.store.run import Run  # noqa: E402
from tests.sections.simulated_run import Plan, _images, simulate_run  # noqa: E402

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LIMITS = {100_000: 20.0, 1_000_000: 120.0}
QUESTIONS, IMAGES, PER_PAIR = 2, 2, 5


def plan(votes: int) -> Plan:
    """Two questions, two images a prompt, five raters a pair, a hundred comparisons a rater."""
    comparisons = votes // QUESTIONS
    prompts = max(10, comparisons // (IMAGES * PER_PAIR))
    raters = max(PER_PAIR, comparisons // 100)
    return Plan(prompts=prompts, images=IMAGES, raters=raters, parts=(), simulated=False)


def make(folder: Path, votes: int) -> Run:
    """A closed study with so many votes, all answers drawn at once."""
    wish, rng = plan(votes), np.random.default_rng(votes)
    run = simulate_run(folder, wish)
    images = _images(wish)
    run.write_table("images.parquet", images, "images")
    table = pd.concat([_answers(images, wish, rng, question) for question in wish.questions], ignore_index=True)
    table["vote_id"] = np.arange(len(table)).astype(str)
    run.write_table("votes.parquet", table, "votes")
    counts = table.groupby("rater").size()
    raters = {"rater": counts.index, "n_votes": counts.to_numpy(), "simulated": False}
    bare = {"languages": "en", "gold_accuracy": np.nan, "consistency": np.nan, "excluded_because": ""}
    run.write_table("raters.parquet", pd.DataFrame(raters | bare), "raters")
    return run


def _answers(images: pd.DataFrame, wish: Plan, rng: np.random.Generator, question: str) -> pd.DataFrame:
    first, second = (images[images["system"] == system].reset_index(drop=True) for system in wish.systems)
    pair = np.repeat(np.arange(len(first)), PER_PAIR)
    rater = (np.arange(pair.size) * 7919) % wish.raters
    prompt = pair // IMAGES
    logit = 0.2 + rng.normal(0, 0.6, wish.prompts)[prompt] + rng.normal(0, 0.3, wish.raters)[rater]
    draw = rng.random(pair.size)
    choice = np.where(rng.random(pair.size) < 1 / (1 + np.exp(-logit)), "a", "b")
    return pd.DataFrame(
        {
            "rater": np.char.add("r", rater.astype(str)),
            "prompt_key": first["prompt_key"].to_numpy()[pair],
            "lang": "en",
            "question": question,
            "system_a": wish.systems[0],
            "system_b": wish.systems[1],
            "image_a": first["key"].to_numpy()[pair],
            "image_b": second["key"].to_numpy()[pair],
            "side_shown": np.where(rng.random(pair.size) < 0.5, "left", "right"),
            "choice": np.where(draw < 0.03, "neither", np.where(draw < 0.29, "tie", choice)),
            "kind": "vote",
            "occasion": 1,
            "position": np.arange(pair.size) // wish.raters,
            "response_ms": rng.gamma(4, 1500, pair.size).astype(int),
            "cast_at": "2026-11-23T20:10:00.000+00:00",
        }
    ).assign(simulated=False)


def measure(votes: int) -> dict[str, float]:
    """Seconds (wall, processor), most memory and size of the page, of one report in this process."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        run = make(root / "runs" / "many-ab12cd34", votes)
        n = len(run.read_table("votes.parquet", "votes"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, processor = time.perf_counter(), time.process_time()
        outcome = report(run, Settings(root=root, _env_file=None))
        assert outcome.where is not None
        return {
            "votes": n,
            "wall_s": time.perf_counter() - wall,
            "processor_s": time.process_time() - processor,
            "start_mib": before / 1024,
            "most_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "page_mib": outcome.where.stat().st_size / 2**20,
        }


def table(found: list[dict[str, float]]) -> str:
    """The Markdown of REPORT.md."""
    head = "| votes | wall, s | processor, s | most memory, MiB | µs a vote | page, MiB | limit, s |"
    rows = [
        f"| {int(one['votes']):,} | {one['wall_s']:.1f} | {one['processor_s']:.1f} | {one['most_mib']:,.0f} | "
        f"{1e6 * one['wall_s'] / one['votes']:.0f} | {one['page_mib']:.1f} | {LIMITS.get(int(one['votes']), '–')} |"
        for one in found
    ]
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    return "\n".join(
        [
            "# A report, from a thousand votes to a million",
            "",
            f"`python tests/benchmarks/report.py` on {machine}; each size in a process of its own. Two systems, two "
            "questions, two images a prompt, five raters a pair, 100 comparisons a rater. Wall and processor time of "
            "`evalkit report` without the start of Python; memory is the most that "
            "the process ever held, the making of the simulated votes included.",
            "",
            head,
            "|" + " ---: |" * 7,
            *rows,
            "",
        ]
    )


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        return
    found = []
    for votes in SIZES:
        done = subprocess.run([sys.executable, __file__, str(votes)], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(found[-1], flush=True)
    (Path(__file__).parent / "REPORT.md").write_text(table(found), encoding="utf-8")


if __name__ == "__main__":
    main()
