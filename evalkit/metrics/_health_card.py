"""Making the health card of a run: health.parquet, health.json (what it was made of), and the thumbnails it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalkit import registry
from evalkit.metrics._health import Sets, health_table, reference_pictures
from evalkit.metrics._metric import Workplace
from evalkit.metrics._reference import Reference
from evalkit.metrics._sheet import Scope
from evalkit.store.run import Run
from evalkit.store.run_images import content_digest
from evalkit.store.thumbnails import write_thumbnail

if TYPE_CHECKING:
    import pandas as pd

TABLE, RECORD = "health.parquet", "health.json"


def card_sets(
    metrics: Sequence[str], reference: Reference | None, training: Reference | None, identities: Mapping[str, str]
) -> tuple[str, Sets] | None:
    """The first set metric, whose network the card takes, and what it is held against; None where there is none."""
    infos = {name: registry.get("metrics", name).info for name in metrics}
    on_sets = [name for name, info in infos.items() if info.level == "set" and info.reference]
    if reference is None or not on_sets:
        return None
    extractor = infos[on_sets[0]].extractor
    return on_sets[0], Sets(reference, training, extractor, identities[on_sets[0]])


def write_card(run: Run, images: pd.DataFrame, sets: Sets, scope: Scope, workplace: Workplace) -> bool:
    """Makes what is not there yet for these images and sets; whether it did."""
    made_of = {"images": content_digest(images), "signed": sets.signed}
    if run.has(TABLE) and run.has(RECORD) and run.read_json(RECORD) == made_of:
        return False
    table = health_table(images, sets, scope, workplace)
    for name, file in reference_pictures(table, sets, workplace).items():
        write_thumbnail(run, name, file)
    files = dict(zip(images["key"], images["file"], strict=True))
    for key in set(table["image"]) | set(table["other"]):
        if key in files:
            write_thumbnail(run, key, files[key])
    run.path(RECORD).unlink(missing_ok=True)
    run.write_table(TABLE, table, "health")
    run.write_json(RECORD, made_of)
    return True


def forget_card(run: Run, images: pd.DataFrame) -> None:
    """Takes out the card of other images than there are now."""
    if run.has(RECORD) and run.read_json(RECORD)["images"] != content_digest(images):
        for name in (RECORD, TABLE):
            run.path(name).unlink(missing_ok=True)
