"""A study of drawn shapes with metrics, a tiny CLIP and a reference folder, for the tests of `score`."""

import csv

import numpy as np
import pandas as pd
from PIL import Image

from evalkit.spec.resolve import ResolvedStudy
from evalkit.stages.generate import generate
from evalkit.store.run import Run
from tests.clip_checkpoint import write_clip
from tests.stages.drawing import procedural

PROMPTS = 12
CLIP = {"name": "clip_score", "model": "tiny-clip"}


def drawn_study(settings, *, metrics=(CLIP,), images: int = 1, systems=("few", "many"), **study) -> ResolvedStudy:
    """Twelve prompts (nine animals, three plants), drawn by two systems; without `reference` there is none."""
    checkout = settings.root
    with (checkout / "data/prompts/scenes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "prompt", "lang", "category"])
        for number in range(PROMPTS):
            words = "a very " + "long " * 30 + "dog" if number == 3 else f"scene number {number}"
            writer.writerow([f"s-{number}", words, "en", "plants" if number > 8 else "animals"])
    (checkout / "data/prompts/scenes.yaml").write_text("title: Scenes\nsource: data/prompts/scenes.csv\n")
    if not (checkout / "data/weights/tiny-clip").is_dir():
        write_clip(checkout / "data/weights/tiny-clip", seed=5)
    resolved = procedural(checkout, *systems, images=images, prompts="scenes", metrics=list(metrics), **study)
    generate(resolved, settings)
    return resolved


def reference_folder(settings, pictures: int = 10) -> str:
    """Noise; its path as a study file names it."""
    folder = settings.root / "data" / "originals"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(pictures):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return "data/originals"


def run_of(resolved, settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def record(resolved, settings) -> dict:
    return run_of(resolved, settings).read_json("metrics.json")


def scores(resolved, settings, name: str = "clip_score") -> pd.DataFrame:
    return run_of(resolved, settings).read_table(f"scores/{name}.parquet", "scores_image")


def value_of(told: dict, system: str, part: str = "overall", metric: str = "clip_score") -> dict:
    (row,) = [row for row in told["values"] if (row["metric"], row["system"], row["slice"]) == (metric, system, part)]
    return row
