"""What a plan, its listing and its status cost by the number of images: `python -m tests.benchmarks.size`.

Each measurement runs in a process of its own, so that its peak of memory (resident set, with Python and its libraries)
is its own. The tree of images is real: two names for each image in 256 folders, hard links to files of one size. A
prompt has 50 images of each of two systems, as ten thousand prompts have at a million.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from evalkit import prompts
from evalkit.settings import Settings
from evalkit.spec.plan import PlannedImage, select_prompts
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.store import drawing, image_table
from evalkit.store.images import ImageFacts, lacking, relative_path
from evalkit.store.run import Run
from tests.conftest import ROOT

PER_PROMPT, SYSTEMS, LINKS = 50, ("few", "many"), 30_000
FACTS = ImageFacts("a" * 64, 1000, 64, 64, False, False, 1.0, 4)
CONTENT = {"png": b"x" * FACTS.bytes, "json": json.dumps(asdict(FACTS)).encode()}


def write_study(root: Path, images: int) -> None:
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "data/questions", root / "data/questions", dirs_exist_ok=True)
    for name in SYSTEMS:
        card = {"title": name, "source": "shapes", "size": 64, "loader": "procedural"}
        (root / f"data/models/{name}.yaml").write_text(yaml.safe_dump(card))
    with (root / "data/prompts/words.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["key", "prompt", "lang", "category"])
        for number in range(images // PER_PROMPT // len(SYSTEMS)):
            table.writerow([f"w-{number}", f"a red apple and {number} blue pears on an old table", "en", "plain"])
    (root / "data/prompts/words.yaml").write_text("title: Words\nsource: data/prompts/words.csv\n")
    systems = [{"name": name, "model": name, "sampling": {"steps": 3 + n}} for n, name in enumerate(SYSTEMS)]
    study = {"title": "Size", "systems": systems, "prompts": "words", "images": PER_PROMPT}
    (root / "studies/size.yaml").write_text(yaml.safe_dump(study))


def planned(resolved: ResolvedStudy, settings: Settings) -> list[PlannedImage]:
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    return drawing.planned(Run(settings.runs_dir / resolved.run_name), chosen, resolved)


def write_tree(resolved: ResolvedStudy, settings: Settings) -> None:
    """The names of all images: hard links, some thousands to a file."""
    sources: dict[str, Path] = {}
    for number, image in enumerate(planned(resolved, settings)):
        path = settings.images_dir / relative_path(image.key)
        for kind, content in CONTENT.items():
            if number % LINKS == 0:
                sources[kind] = settings.data_dir / f"{number}.{kind}"
                sources[kind].parent.mkdir(parents=True, exist_ok=True)
                sources[kind].write_bytes(content)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(sources[kind], path.with_suffix(f".{kind}"))


def check(resolved: ResolvedStudy, settings: Settings) -> None:
    from evalkit.stages.check import check

    check(resolved, settings)


def dry_run(resolved: ResolvedStudy, settings: Settings) -> None:
    from evalkit.stages.generate import generate

    generate(resolved, settings, dry_run=True)


def look(resolved: ResolvedStudy, settings: Settings) -> None:
    """The store alone: which of the planned images are there."""
    keys = [image.key for image in planned(resolved, settings)]
    started = time.perf_counter()
    assert all(facts for _, facts in lacking(settings.images_dir, keys, {}))
    print(json.dumps({"listing": time.perf_counter() - started}), file=sys.stderr)


def add_parts(resolved: ResolvedStudy, settings: Settings) -> None:
    with image_table.Appending(Run(settings.runs_dir / resolved.run_name)) as table:
        for image in planned(resolved, settings):
            table.add(image.key, FACTS)


def list_all(resolved: ResolvedStudy, settings: Settings) -> None:
    """images.parquet from the parts, as at the end of `generate`."""
    run, plan = Run(settings.runs_dir / resolved.run_name), planned(resolved, settings)
    assert len(image_table.list_images(run, plan, plan, "words", settings.images_dir)) == len(plan)


def status(resolved: ResolvedStudy, settings: Settings) -> None:
    from evalkit.stages.status import status

    found = status(resolved, settings).facts["stages"][0]
    assert found["done"] == found["planned"]


STEPS = (check, dry_run, write_tree, look, add_parts, list_all, status, dry_run)
NAMES = ("check", "generate --dry-run, nothing there", "", "listing of the store", "facts in parts", "images.parquet")
NAMES += ("status", "generate --dry-run, all there")


def one(step: int, root: Path) -> None:
    """A measurement, in this process: wall and processor seconds, peak of memory in MB."""
    settings = Settings(root=root, _env_file=None)
    started, worked = time.perf_counter(), time.process_time()
    STEPS[step](resolve("size", root), settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([time.perf_counter() - started, time.process_time() - worked, peak]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        return one(asked.one, asked.root)
    print("| images | what | s | processor s | peak MB |\n|---|---|---|---|---|")
    for images in asked.images:
        with tempfile.TemporaryDirectory() as folder:
            write_study(Path(folder), images)
            for step, name in enumerate(NAMES):
                words = [sys.executable, "-m", "tests.benchmarks.size", "--one", str(step), "--root", folder]
                done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
                if name:
                    print(_row(images, name, json.loads(done.stdout), done.stderr), flush=True)


def _row(images: int, name: str, found: list[float], told: str) -> str:
    within: dict[str, Any] = json.loads(told) if told.startswith("{") else {}
    aside = "".join(f", of which {key} {seconds:.2f}" for key, seconds in within.items())
    return f"| {images:,} | {name} | {found[0]:.2f}{aside} | {found[1]:.2f} | {found[2]:.0f} |"


if __name__ == "__main__":
    main()
