"""The pictures and the votes in the layout that `datasets.load_dataset` reads: imagefolder with metadata.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import RunError
from evalkit.outcome import Progress
from evalkit.store.files import write_bytes, write_text

if TYPE_CHECKING:
    import pandas as pd

TOLD = ("key", "system", "prompt_key", "lang", "category", "challenge", "prompt", "image_index", "seed", "flagged")


def write(folder: Path, images: pd.DataFrame, scores: pd.DataFrame | None, source: Path, progress: Progress) -> int:
    """images/train/KEY.png with images/train/metadata.jsonl; gives the number of pictures.

    Raises:
        RunError: a picture of the run is not in `source` (it says which, and how many).
    """
    missing = [path for path in images["path"] if not (source / path).is_file()]
    if missing:
        said = f"{len(missing):,} of {len(images):,} pictures are not there, the first is {missing[0]}"
        raise RunError(
            said, where=str(source), hint="export on the machine that drew them, or `evalkit generate` again"
        )
    train = folder / "images" / "train"
    train.mkdir(parents=True, exist_ok=True)
    for place, (key, path) in enumerate(zip(images["key"], images["path"], strict=True), start=1):
        write_bytes(train / _file_name(key, path), (source / path).read_bytes())
        progress("images", place, len(images))
    lines = (json.dumps(line, ensure_ascii=False) for line in _lines(images, scores))
    write_text(train / "metadata.jsonl", "\n".join(lines) + "\n")
    return len(images)


def _lines(images: pd.DataFrame, scores: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """One record a picture; the scores of every metric are columns, null where there is none."""
    table = scores.dropna(subset=["value"]).set_index(["metric", "image_key"])["value"] if scores is not None else None
    metrics = sorted(set(scores["metric"])) if scores is not None else []
    known: dict[str, Mapping[str, float]] = {m: table.loc[m].to_dict() for m in metrics} if table is not None else {}
    for row in images.to_dict("records"):
        told = {name: row[name] for name in TOLD}
        yield {
            "file_name": _file_name(row["key"], row["path"]),
            **told,
            **{metric: known[metric].get(row["key"]) for metric in metrics},
        }


def _file_name(key: str, path: str) -> str:
    return key + Path(path).suffix


def card(name: str, description: str, licence: str, tables: list[str]) -> str:
    """README.md: the dataset card with the configurations that load_dataset offers."""
    configs = ["- config_name: images", "  default: true", "  data_dir: images"] if "images" in tables else []
    parquet = [table for table in tables if table not in ("images", "scores")]
    usage = [f'load_dataset("{name}/images")   # pictures with prompts and scores'] if "images" in tables else []
    usage += [f'load_dataset("parquet", data_files="{name}/{table}.parquet")' for table in parquet]
    front = ["---", f"license: {licence}", *(["configs:", *configs] if configs else []), "---"]
    return "\n".join(
        [
            *front,
            f"# {name}",
            "",
            description,
            "",
            "What every column means is in codebook.md; croissant.json says the same to machines.",
            "",
            "```python",
            *usage,
            "```",
            "",
        ]
    )
