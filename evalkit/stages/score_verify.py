"""`evalkit score --verify`: computes a run's metrics again, from the images and without any cache, and compares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evalkit import prompts
from evalkit.errors import RunError
from evalkit.metrics._metric import identity_of
from evalkit.metrics._reference import find_reference
from evalkit.metrics._scoring import metric_named, scope_of, sheet_of, workplace_of
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.plan import select_prompts
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.spec.study import MetricChoice
from evalkit.store import drawing
from evalkit.store.run import Run
from evalkit.store.run_images import content_digest, gather

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-3
"""Largest relative difference that other hardware may make; on one machine it is below 1e-5."""
NUMBERS = ("value", "low", "high")


@dataclass(frozen=True)
class Checked:
    """One metric: how many numbers were compared, their largest relative difference, and what is wrong ("" if none)."""

    metric: str
    numbers: int
    largest: float
    wrong: str


def verify_run(name: str, settings: Settings, *, progress: Progress = silent) -> Outcome:
    """The same for a study's name, or for the folder of a run.

    Raises:
        RunError: the folder's study is another by now.
    """
    run = Run(Path(name))
    if not run.has("resolved.json"):
        return verify(resolve(name, settings.root), settings, progress=progress)
    record = run.read_json("resolved.json")
    resolved = resolve(record["study"]["name"], settings.root)
    if resolved.sha != record["sha"]:
        hint = "check out the revision that manifest.json names"
        raise RunError("the study file says something else by now", where=str(resolved.path), hint=hint)
    return verify(resolved, settings, progress=progress)


def verify(resolved: ResolvedStudy, settings: Settings, *, progress: Progress = silent) -> Outcome:
    """Compares every value, interval and signature of metrics.json with a new computation.

    Raises:
        RunError: nothing was scored, an image is not as it was made, or a number is another.
    """
    run = Run(settings.runs_dir / resolved.run_name)
    record = run.read_json("metrics.json")
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    images = gather(run, drawing.planned(run, chosen, resolved), settings.images_dir, partial=True)
    found = [_checked(name, record, images, resolved, settings, progress) for name in record["metrics"]]
    wrong = [one for one in found if one.wrong]
    if wrong:
        told = "; ".join(f"{one.metric}: {one.wrong}" for one in wrong)
        hint = "versions and hardware of the first computation are in manifest.json"
        raise RunError(
            f"{len(wrong)} of {len(found)} metrics are not what the run says: {told}", where=run.name, hint=hint
        )
    lines = [
        f"  {one.metric:<22} {one.numbers} numbers, largest relative difference {one.largest:.1g}" for one in found
    ]
    said = "\n".join([f"{len(found)} metrics computed again: all as the run says", *lines])
    return Outcome(said, where=run.folder, facts={"run": run.name, "metrics": [vars(one) for one in found]})


def _checked(
    name: str,
    record: dict[str, Any],
    images: pd.DataFrame,
    resolved: ResolvedStudy,
    settings: Settings,
    progress: Progress,
) -> Checked:
    facts = record["metrics"][name]
    if facts["images"] != content_digest(images):
        return Checked(name, 0, 0.0, "the images are not those that were scored")
    choice = MetricChoice(name=name, model=facts["model"])
    reference = find_reference(resolved.study.reference, resolved.root)
    with TemporaryDirectory() as folder:
        workplace = workplace_of(choice, resolved, settings, Path(folder), progress)
        identity = identity_of(metric_named(name), workplace)
        sheet = sheet_of(choice, identity, reference, images, scope_of(resolved), workplace)
    known = [row for key in ("values", "comparisons") for row in record[key] if row["metric"] == name]
    return _compared(name, known, [*sheet.values, *sheet.comparisons])


def _compared(name: str, known: list[dict[str, Any]], new: list[dict[str, Any]]) -> Checked:
    if len(known) != len(new):
        return Checked(name, 0, 0.0, f"{len(known)} rows then, {len(new)} now")
    largest, numbers = 0.0, 0
    for then, now in zip(known, new, strict=True):
        if then["signature"] != now["signature"]:
            return Checked(name, numbers, largest, f"signed {then['signature']} then, {now['signature']} now")
        for key in NUMBERS:
            if (then[key] is None) != (now[key] is None):
                return Checked(name, numbers, largest, f"{_where(then)}: {key} {then[key]} then, {now[key]} now")
            if then[key] is not None:
                scale = max(abs(now[key]), abs(now["value"] or 0.0), 1e-6)
                numbers, largest = numbers + 1, max(largest, abs(then[key] - now[key]) / scale)
            if largest > TOLERANCE:
                return Checked(
                    name, numbers, largest, f"{_where(then)}: {key} {then[key]:.6g} then, {now[key]:.6g} now"
                )
    return Checked(name, numbers, largest, "")


def _where(row: dict[str, Any]) -> str:
    return f"{row['system']}, {row['slice']}" if "slice" in row else f"{row['system_a']} minus {row['system_b']}"
