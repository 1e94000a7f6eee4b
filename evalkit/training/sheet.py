"""A contact sheet without prompts, for a reader who has not seen them, and apart from it the key of what was asked."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evalkit.spec.fingerprint import folder_digest
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.training import drawing, vocabulary
from evalkit.training.vocabulary import COLOUR_NAMES, KINDS, Scene

PICTURES, COLUMNS = 64, 8
TILE, CAPTION, GAP = 128, 22, 10


def write_sheet(
    weights: Path, folder: Path, *, system: str, steps: int, seed: int, n: int = PICTURES, named: bool = False
) -> None:
    """Draw `n` scenes chosen at random from all combinations; write sheet.png (numbered, or named) and key.csv."""
    asked = sheet_scenes(n, seed)
    prompts = [vocabulary.canonical(scene) for scene in asked]
    pixels = drawing.draw(drawing.load(weights / system), prompts, steps, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"{KINDS[scene.kind].name}, {COLOUR_NAMES[scene.colour]}" for scene in asked] if named else ()
    contact_sheet(pixels, labels).save(folder / "sheet.png", optimize=True)
    with (folder / "key.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("number", "object", "also accepted", "background", "combination"))
        writer.writerows(_key_rows(asked))


def reading(weights: Path) -> Estimate:
    """How many objects a reader named who had seen neither prompts nor kinds: reading.json, of these very weights."""
    path, method = weights / "reading.json", "one fresh reader, Wilson"
    if not path.is_file():
        return Estimate(None, None, None, 0, method, note="nobody has read a contact sheet")
    told = json.loads(path.read_text(encoding="utf-8"))
    if told["weights"] != folder_digest(weights / told["system"]):
        return Estimate(None, None, None, 0, method, note="the sheet that was read came from other weights")
    return replace(wilson(told["right"], told["n"]), method=method)


def sheet_scenes(n: int, seed: int) -> tuple[Scene, ...]:
    """n scenes without repeats, trained combinations and held-out ones as chance has it."""
    every = vocabulary.scenes("all")
    return tuple(every[place] for place in np.random.default_rng((seed, n)).permutation(len(every))[:n])


def contact_sheet(pixels: NDArray[np.uint8], labels: Sequence[str] = (), columns: int = COLUMNS) -> Image.Image:
    """Pictures (n, side, side, 3) in rows, each with its number, or its label, above it."""
    words = labels or [str(place) for place in range(1, len(pixels) + 1)]
    rows = -(-len(pixels) // columns)
    size = (columns * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for place, (picture, word) in enumerate(zip(pixels, words, strict=True)):
        left, top = GAP + place % columns * (TILE + GAP), GAP + place // columns * (TILE + CAPTION + GAP)
        pen.text((left + TILE // 2, top + CAPTION // 2), word, fill="#333333", font=font, anchor="mm")
        enlarged = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)
        sheet.paste(enlarged, (left, top + CAPTION))
    return sheet


def _key_rows(asked: Sequence[Scene]) -> list[tuple[int, str, str, str, str]]:
    return [
        (
            number,
            KINDS[scene.kind].name,
            "; ".join(KINDS[scene.kind].synonyms),
            COLOUR_NAMES[scene.colour],
            "held out" if vocabulary.held_out(scene) else "trained",
        )
        for number, scene in enumerate(asked, start=1)
    ]
