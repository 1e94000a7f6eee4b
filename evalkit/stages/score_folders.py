"""`evalkit score DIR --reference DIR2`: set metrics of any two folders of pictures, without a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalkit import registry
from evalkit.errors import RunError, SpecError
from evalkit.metrics._metric import Workplace
from evalkit.metrics._reference import Reference, folder_features, read_reference, reference_at, write_statistics
from evalkit.metrics._sheet import signature
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings

DEFAULT = ("fd_lite0", "fd_pca64", "kid_lite0")
FEATURES = "cache/features"


def score_folders(
    folder: Path,
    settings: Settings,
    *,
    reference: Path,
    metrics: Sequence[str] = DEFAULT,
    model: str | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Distances of a folder of pictures to another, or to stored features; each picture counts as its own prompt.

    Args:
        metrics: of level "set"; `model`: the CLIP that those on CLIP take.

    Raises:
        SpecError: a metric that needs prompts, or a reference that does not fit.
        RunError: no pictures, or one that cannot be read.
    """
    found = reference_at(reference)
    workplace = Workplace(settings, settings.data_dir / FEATURES, model, progress)
    for name in metrics:
        if registry.get("metrics", name).info.level != "set":
            hint = f"take metrics of sets, as {', '.join(DEFAULT)}"
            raise SpecError(f"{name} needs prompts, and a folder has none", hint=hint)
    values = [_measured(name, folder, found, workplace) for name in metrics]
    facts = {"folder": str(folder), "reference": str(reference), "values": values}
    return Outcome("\n".join(map(_line, values)), where=folder, facts=facts)


def save_statistics(
    folder: Path,
    settings: Settings,
    *,
    out: Path,
    metrics: Sequence[str],
    model: str | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Writes mean and covariance of a folder's features, for the network of the one metric that is named.

    Raises:
        SpecError: no metric or more than one, or one that is no Frechet distance.
    """
    if len(metrics) != 1 or not registry.get("metrics", metrics[0]).info.statistics:
        hint = "name one Frechet distance, as --metrics fid: its network makes the features"
        raise SpecError("statistics are those of one network", where="--metrics", hint=hint)
    extractor = registry.get("metrics", metrics[0]).info.extractor
    workplace = Workplace(settings, settings.data_dir / FEATURES, model, progress)
    rows, label = folder_features(folder, extractor, workplace), reference_at(folder).label
    identity = registry.get("extractors", extractor).identity(settings, model)
    write_statistics(out, rows, identity, label)
    facts = {"statistics": str(out), "n": len(rows.rows), "extractor": identity, "source": label}
    said = f"mean and covariance of {len(rows.rows)} pictures, {identity}"
    return Outcome(said, where=out, next=f"evalkit score DIR --reference {out} --metrics {metrics[0]}", facts=facts)


def _measured(name: str, folder: Path, reference: Reference, workplace: Workplace) -> dict[str, Any]:
    metric = registry.get("metrics", name)
    extractor = metric.info.extractor
    identity = registry.get("extractors", extractor).identity(workplace.settings, workplace.model)
    base, rows = read_reference(reference, extractor, workplace), folder_features(folder, extractor, workplace)
    if base.moments and not metric.info.statistics:
        hint = "name a folder of pictures, or a Frechet distance, as fid"
        raise SpecError(f"{name} needs features, not a mean and covariance", where=str(reference.path), hint=hint)
    counts = [len(one.rows) for one in (rows, base) if not one.moments]
    if min(counts) < 2:
        what = f"{' and '.join(map(str, counts))} pictures: a distance of sets needs two or more of each"
        raise RunError(what, where=str(folder), hint="add pictures")
    measured = metric.estimate(rows, base)
    signed = signature(name, metric, identity, measured.variant, f"ref={reference.label}")
    return {"metric": name, **asdict(measured.estimate), "signature": signed}


def _line(row: dict[str, Any]) -> str:
    interval = f" ({row['low']:.4g} to {row['high']:.4g})" if row["low"] is not None else ""
    value = "no number" if row["value"] is None else f"{row['value']:.4g}"
    return f"{row['metric']:<12} {value}{interval}, n = {row['n']}: {row['note'] or row['method']}"
