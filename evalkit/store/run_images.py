"""The images of a run as its scores see them: every planned one, where it lies, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RunError
from evalkit.places import is_file, reached
from evalkit.spec.fingerprint import file_sha256
from evalkit.spec.identity import digest
from evalkit.spec.plan import PlannedImage
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

MISSING, CHANGED = "missing", "changed since it was made"
READERS = 8
"""Images that are read at once: hashing lets others run, and a bucket takes its time to answer."""
NAMED = 20
"""Images that are not as they should be are all counted, and so many of each kind named."""


def gather(run: Run, planned: Sequence[PlannedImage], images_dir: Path, *, partial: bool) -> pd.DataFrame:
    """One row per planned image: key, system, prompt_key, lang, category, challenge, prompt, image_index, sha256,
    file, flagged, blank, and `problem`, which is "" for an image that is there as it was made.

    Raises:
        RunError: an image is missing or has other bytes than images.parquet says, and `partial` is not asked for; or
            none is there.
    """
    import pandas as pd

    table = run.read_table("images.parquet", "images")
    listed = {(str(row["system"]), str(row["key"])): row for row in table.to_dict("records")}
    images = pd.DataFrame([_row(image, listed.get((image.system, image.key)), images_dir) for image in planned])
    with ThreadPoolExecutor(READERS, thread_name_prefix="reader") as readers:
        images["problem"] = list(readers.map(_problem, images["file"], images["sha256"]))
    wrong = images[images["problem"] != ""]
    if len(wrong) and (not partial or len(wrong) == len(images)):
        first = wrong.iloc[0]
        raise RunError(
            f"{len(wrong)} of {len(images)} images are not there as they were made; the first is {first['problem']}",
            where=f"{first['system']}, {_named(wrong)[0]}",
            hint="run `evalkit generate` first (--verify draws changed images again), or use what is there: --partial",
        )
    return images


def _row(image: PlannedImage, listed: dict[Any, Any] | None, images_dir: Path) -> dict[str, Any]:
    prompt, facts = image.prompt, listed or {}
    file = images_dir / str(facts.get("path", ""))
    sha256 = str(facts.get("sha256", ""))
    return {
        "key": image.key,
        "system": image.system,
        "prompt_key": prompt.key,
        "lang": prompt.lang,
        "category": prompt.category,
        "challenge": prompt.challenge,
        "prompt": prompt.text,
        "image_index": image.index,
        "sha256": sha256,
        "file": file,
        "flagged": bool(facts.get("flagged", False)),
        "blank": bool(facts.get("blank", False)),
    }


def _problem(file: Path, sha256: str) -> str:
    try:
        with reached(file):
            return "" if sha256 and file_sha256(file) == sha256 else CHANGED if is_file(file) else MISSING
    except FileNotFoundError:
        return MISSING


def content_digest(images: pd.DataFrame) -> str:
    """Digest of all that scores can hang on: which image is whose, its content, and what is wrong with it."""
    return digest(images.drop(columns="file").to_dict("records"))


def health(images: pd.DataFrame) -> dict[str, Any]:
    """By system: how many images are planned and there, and which are missing, changed, flagged or blank."""
    found = {}
    for system, rows in images.groupby("system", sort=False):
        kinds = {
            "missing": rows["problem"] == MISSING,
            "changed": rows["problem"] == CHANGED,
            "flagged": rows["flagged"],
            "blank": rows["blank"],
        }
        found[str(system)] = {
            "planned": len(rows),
            "there": int((rows["problem"] == "").sum()),
            **{kind: {"n": int(which.sum()), "named": _named(rows[which])} for kind, which in kinds.items()},
        }
    return found


def _named(images: pd.DataFrame) -> list[str]:
    names = zip(images["prompt_key"], images["lang"], images["image_index"], strict=True)
    return [f"prompt {key} ({lang}), image {index}" for key, lang, index in names][:NAMED]
