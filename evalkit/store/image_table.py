"""images.parquet: the images of a run, in the order of its plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.spec.plan import PlannedImage
from evalkit.store.frames import IMAGES
from evalkit.store.images import ImageFacts, read_facts, relative_path
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

NAME = "images.parquet"


def list_images(
    run: Run, plan: Sequence[PlannedImage], asked: Iterable[PlannedImage], prompt_set: str, images_dir: Path
) -> pd.DataFrame:
    """Lists the images of the plan that were ever asked for and are there; writes the table if it is another one."""
    import pandas as pd

    before = run.read_table(NAME, "images") if run.has(NAME) else None
    listed = {image.key for image in asked} | set(before["key"] if before is not None else ())
    found = [(image, read_facts(images_dir, image.key)) for image in plan if image.key in listed]
    rows = [_row(image, facts, prompt_set) for image, facts in found if facts is not None]
    table = pd.DataFrame(rows, columns=list(IMAGES)).astype(IMAGES)
    if before is None or not table.equals(before):
        run.write_table(NAME, table, "images")
    return table


def _row(image: PlannedImage, facts: ImageFacts, prompt_set: str) -> dict[str, Any]:
    prompt = image.prompt
    known = ("sha256", "width", "height", "seconds", "batch_size", "flagged", "blank")
    return {
        "key": image.key,
        "system": image.system,
        "prompt_set": prompt_set,
        "prompt_key": prompt.key,
        "lang": prompt.lang,
        "category": prompt.category,
        "challenge": prompt.challenge,
        "prompt": prompt.text,
        "image_index": image.index,
        "seed": image.seed,
        "path": relative_path(image.key),
        **{name: getattr(facts, name) for name in known},
    }
