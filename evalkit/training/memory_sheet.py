"""Pictures beside the training render nearest to them: whoever fears copies can look."""

import csv
from pathlib import Path

import numpy as np

from evalkit.training import check, graphics, novelty, scenes, vocabulary
from evalkit.training.pictures import Pictures
from evalkit.training.pipeline import PICTURES
from evalkit.training.sheet import contact_sheet

SHOWN = 16


def write_nearest(weights: Path, work: Path, folder: Path, *, system: str, steps: int, n: int, seed: int) -> None:
    """nearest.csv: every picture with its nearest training render and the distance; nearest.png: some pairs of both."""
    graphics.fetch(work / "graphics")
    sprites = scenes.load_graphics(work / "graphics")
    asked = check.asked_scenes(check.ALL, n, seed)
    prompts = [prompt for _, prompt in asked]
    pixels = Pictures(weights, work / "check").of(system, prompts, steps, check.noise_seed(seed))
    training = novelty.training_renders(sprites, PICTURES)
    found = novelty.nearest(pixels, training)
    held_out = np.array([vocabulary.held_out(scene) for scene, _ in asked])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "nearest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("prompt", "combination", "nearest training render", "distance, grey levels"))
        for prompt, held, place, distance in zip(prompts, held_out, found.places, found.distances, strict=True):
            writer.writerow((prompt, "held out" if held else "trained", place, f"{distance:.2f}"))
    order = [*np.flatnonzero(~held_out)[:SHOWN], *np.flatnonzero(held_out)[:SHOWN]]
    pairs = np.stack([picture for i in order for picture in (pixels[i], training[found.places[i]])])
    labels = [
        word for i in order for word in (f"{'held out' if held_out[i] else 'trained'}", f"{found.distances[i]:.0f}")
    ]
    contact_sheet(pairs, labels).save(folder / "nearest.png")
