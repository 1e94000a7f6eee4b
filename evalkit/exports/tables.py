"""The tables of a closed run, as they are handed on: votes, raters, images, and the scores of images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from evalkit.errors import RunError
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "jsonl")


def read(run: Run) -> dict[str, pd.DataFrame]:
    """Name -> table, those that the run has.

    Raises:
        RunError: the study is still open, or the run holds no table.
    """
    voting = run.read_json("voting.json") if run.has("voting.json") else {}
    if run.has("votes.parquet") and voting.get("closed_at", "unknown") is None:
        raise RunError("the study is still open", where=run.name, hint="`evalkit vote close` first")
    names = [name for name in ("votes", "raters", "images") if run.has(f"{name}.parquet")]
    found = {name: run.read_table(f"{name}.parquet", name) for name in names}
    scores = _scores(run)
    if scores is not None:
        found["scores"] = scores
    if not found:
        raise RunError("the run holds no table", where=run.name, hint="`evalkit generate` first")
    return found


def _scores(run: Run) -> pd.DataFrame | None:
    """The scores of every metric of level image below each other."""
    import pandas as pd

    infos = run.read_json("metrics.json")["metrics"] if run.has("metrics.json") else {}
    parts = [
        run.read_table(f"scores/{metric}.parquet", "scores_image").assign(metric=metric)
        for metric, info in infos.items()
        if info.get("level") == "image" and run.has(f"scores/{metric}.parquet")
    ]
    if not parts:
        return None
    joined = pd.concat(parts, ignore_index=True)
    return joined[["metric", *joined.columns.drop("metric")]]


def written(table: pd.DataFrame, kind: str) -> bytes:
    """The table as the bytes of a CSV, Parquet or JSONL file, UTF-8."""
    if kind == "parquet":
        content = io.BytesIO()
        table.to_parquet(content, index=False)
        return content.getvalue()
    if kind == "csv":
        return table.to_csv(index=False, lineterminator="\n").encode()
    return table.to_json(orient="records", lines=True, force_ascii=False).encode()
