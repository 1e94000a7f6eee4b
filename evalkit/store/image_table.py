"""images.parquet: the images of a run, in the order of its plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RunError
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


def count(run: Run) -> dict[str, int]:
    """System -> how many of its images are listed. Reads one column.

    Raises:
        RunError: the table is damaged.
    """
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    if not run.has(NAME):
        return {}
    try:
        systems = parquet.read_table(run.path(NAME), columns=["system"])["system"]
    except (ArrowException, OSError, KeyError) as error:
        hint = "delete it, then run `evalkit generate`: no image is lost"
        raise RunError(f"{NAME} is damaged: {error}", where=str(run.path(NAME)), hint=hint) from error
    return {str(row["values"]): int(row["counts"]) for row in compute.value_counts(systems).to_pylist()}


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
