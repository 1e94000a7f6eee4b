"""images.parquet: the images of a run, in the order of its plan; while they are drawn, their facts lie in images/.

Each process adds parts of its own there, so that many can do so at once and none waits; the next listing takes them in.
They only spare it the reading of a million small files: what a killed process did not write down is read from those.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RunError
from evalkit.spec.plan import PlannedImage
from evalkit.store.frames import FACTS, IMAGES
from evalkit.store.images import ImageFacts, lacking, relative_path
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

NAME, PARTS = "images.parquet", "images"
ROWS, SECONDS = 4096, 30.0
"""A part is written when it has so many rows, or its first one is so old."""


@dataclass
class Appending:
    """Adds the facts of images that were drawn, a part at a time; `with` writes the last one."""

    run: Run
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _since: float = 0.0

    def __enter__(self) -> Appending:
        return self

    def add(self, key: str, facts: ImageFacts) -> None:
        self._since = self._since if self._rows else time.monotonic()
        self._rows.append({"key": key, **{name: getattr(facts, name) for name in FACTS if name != "key"}})
        if len(self._rows) >= ROWS or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes a part under a name that no other process takes."""
        import pandas as pd

        if self._rows:
            name = f"{PARTS}/part-{time.time_ns():020}-{secrets.token_hex(4)}.parquet"
            self.run.write_table(name, pd.DataFrame(self._rows), "facts")
            self._rows = []

    def __exit__(self, *_: object) -> None:
        self.flush()


def list_images(
    run: Run, plan: Sequence[PlannedImage], asked: Iterable[PlannedImage], prompt_set: str, images_dir: Path
) -> pd.DataFrame:
    """Lists the images of the plan that were ever asked for and are there; writes the table if it is another one."""
    import pandas as pd

    before = run.read_table(NAME, "images") if run.has(NAME) else None
    listed = {image.key for image in asked} | set(before["key"] if before is not None else ())
    keys = list(dict.fromkeys(image.key for image in plan if image.key in listed))
    known = _known(run, before)
    read = dict(lacking(images_dir, keys, dict(zip(known["key"], known["bytes"], strict=True))))
    there = [image for image in plan if image.key in listed and read.get(image.key, image) is not None]
    table = _planned(there, prompt_set).merge(_newest(known, read), on="key", how="left", validate="many_to_one")
    table = table[list(IMAGES)].astype(IMAGES)
    if before is None or not table.equals(before):
        run.write_table(NAME, table, "images")
    for part in _parts(run):
        part.unlink(missing_ok=True)
    return table if len(table) else pd.DataFrame(columns=list(IMAGES)).astype(IMAGES)


def sizes(run: Run) -> dict[str, int]:
    """Key -> bytes of the file, of the images that a table or a part knows."""
    known = _known(run, run.read_table(NAME, "images") if run.has(NAME) else None)
    return dict(zip(known["key"], known["bytes"], strict=True))


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
        with run.path(NAME).open("rb") as file:
            systems = parquet.read_table(file, columns=["system"])["system"]
    except (ArrowException, OSError, KeyError) as error:
        hint = "delete it, then run `evalkit generate`: no image is lost"
        raise RunError(f"{NAME} is damaged: {error}", where=str(run.path(NAME)), hint=hint) from error
    return {str(row["values"]): int(row["counts"]) for row in compute.value_counts(systems).to_pylist()}


def _parts(run: Run) -> list[Path]:
    """Oldest first."""
    return sorted(run.path(PARTS).glob("part-*.parquet"))


def _known(run: Run, before: pd.DataFrame | None) -> pd.DataFrame:
    """Facts by key: the table's, and over them those of the parts. A part that is damaged is passed over."""
    import pandas as pd

    found = [] if before is None else [before[list(FACTS)]]
    for part in _parts(run):
        try:
            found.append(run.read_table(f"{PARTS}/{part.name}", "facts"))
        except RunError:
            continue
    known = pd.concat(found) if found else pd.DataFrame(columns=list(FACTS)).astype(FACTS)
    return known.drop_duplicates("key", keep="last")


def _newest(known: pd.DataFrame, read: dict[str, ImageFacts | None]) -> pd.DataFrame:
    """What is known, and in its stead what was read from beside the images."""
    import pandas as pd

    names = [name for name in FACTS if name != "key"]
    fresh = {key: facts for key, facts in read.items() if facts is not None}
    columns = {name: [getattr(facts, name) for facts in fresh.values()] for name in names}
    rows = pd.DataFrame({"key": list(fresh), **columns}).astype(FACTS)
    return pd.concat([known, rows]).drop_duplicates("key", keep="last")


def _planned(images: Sequence[PlannedImage], prompt_set: str) -> pd.DataFrame:
    """What the plan says of each image, a column at a time: a million rows as dictionaries take gigabytes."""
    import pandas as pd

    columns: dict[str, list[Any]] = {
        "key": [image.key for image in images],
        "system": [image.system for image in images],
        "prompt_set": [prompt_set] * len(images),
        "prompt_key": [image.prompt.key for image in images],
        "lang": [image.prompt.lang for image in images],
        "category": [image.prompt.category for image in images],
        "challenge": [image.prompt.challenge for image in images],
        "prompt": [image.prompt.text for image in images],
        "image_index": [image.index for image in images],
        "seed": [image.seed for image in images],
        "path": [relative_path(image.key) for image in images],
    }
    return pd.DataFrame(columns).astype({name: IMAGES[name] for name in columns})
