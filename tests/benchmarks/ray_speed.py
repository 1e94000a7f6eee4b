"""Images a second by Ray's workers over those of one, and by one process: `python -m tests.benchmarks.ray_speed`.

One thread each, on the embedded emoji-nas at 30 steps. The rounds take turns. Workers are started and load their model
within the time of the whole command, as they do when one uses them. The second table has tasks that wait, as a process
waits for its accelerator, and need no processor: what the engine itself costs, on a machine with few cores.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from evalkit.engines import Engine, Job, ray
from evalkit.engines.local import Local
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.stages.generate import generate
from tests.conftest import ROOT
from tests.engines.clusters import nodes
from tests.stages.drawing import write_prompts


def study(root: Path, images: int) -> ResolvedStudy:
    for folder in ("studies", "data/models", "data/prompts", "data/weights"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "data/models/emoji-nas.yaml", root / "data/models")
    (root / "data/weights/emoji-nas").symlink_to(ROOT / "data/weights/emoji-nas")
    write_prompts(root)
    system = {"name": "nas", "model": "emoji-nas", "sampling": {"steps": 30, "guidance": 2.0}}
    text = {"title": "Speed", "systems": [system], "prompts": "words", "images": images}
    (root / "studies/speed.yaml").write_text(yaml.safe_dump(text))
    return resolve("speed", root)


def seconds(resolved: ResolvedStudy, engine: Engine, folder: Path) -> tuple[float, float]:
    """Of the whole command, and from its first batch to its last."""
    ticks: list[tuple[float, int]] = []
    settings = Settings(root=resolved.root, data=folder, threads=1, device="cpu", _env_file=None)
    started = time.perf_counter()
    options: dict[str, Any] = {"batch_size": 4, "engine": engine}
    generate(
        resolved, settings, progress=lambda what, done, total: ticks.append((time.perf_counter(), done)), **options
    )
    whole = time.perf_counter() - started
    steady = (ticks[-1][1] - ticks[0][1]) / (ticks[-1][0] - ticks[0][0])
    return ticks[-1][1] / whole, steady


WAIT_SECONDS = 0.25


def waiting() -> Job[int, int, int]:
    """Tasks of a known time."""

    def compute(task: int) -> int:
        time.sleep(WAIT_SECONDS)
        return task

    return Job(compute, lambda _, task: task)


def waited(engine: Engine, tasks: int) -> tuple[float, float]:
    """Tasks a second, of the whole run and from its first result to its last."""
    started, ticks = time.perf_counter(), []
    for _ in engine.run(list(range(tasks)), waiting):
        ticks.append(time.perf_counter())
    return tasks / (ticks[-1] - started), (tasks - 1) / (ticks[-1] - ticks[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24, help="of each of seven prompts")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    drawn: dict[str, list[tuple[float, float]]] = {}
    slept: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch, nodes(2, 2):
        resolved = study(Path(scratch) / "root", asked.images)
        engines = {"one process": Local(), **{f"{n} workers": ray.Cluster(n, 0) for n in (1, 2, 4)}}
        for number in range(asked.rounds):
            for name, engine in engines.items():
                slept.setdefault(name, []).append(waited(engine, 120))
                drawn.setdefault(name, []).append(seconds(resolved, engine, Path(scratch) / f"{number}-{name}"))
    show(f"{7 * asked.images} images, {asked.rounds} rounds", "images", drawn)
    show(f"120 tasks that wait {WAIT_SECONDS} s, {asked.rounds} rounds", "tasks", slept)


def show(title: str, unit: str, found: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n{title}\n")
    print(f"| | {unit}/s, whole run | {unit}/s, first to last | ratio of the latter to 1 worker, each round |")
    print("|---|---|---|---|")
    for name, rounds in found.items():
        whole, steady = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [a[1] / b[1] for a, b in zip(rounds, found["1 workers"], strict=True)]
        print(f"| {name} | {whole:.2f} | {steady:.2f} | {', '.join(f'{ratio:.2f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
