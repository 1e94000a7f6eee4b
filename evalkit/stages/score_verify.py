"""`evalkit score --verify`: computes a run's metrics again, from the images and without any cache, and compares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evalkit import prompts
from evalkit.errors import RunError
from evalkit.metrics._health import health_table
from evalkit.metrics._health_card import RECORD, TABLE, card_sets
from evalkit.metrics._metric import Workplace, identity_of
from evalkit.metrics._recomputed import Checked, compared, holm_compared, sheet_compared
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

CARD = "health card"


@dataclass(frozen=True)
class Place:
    """What is computed again, and from what."""

    run: Run
    record: dict[str, Any]
    images: pd.DataFrame
    resolved: ResolvedStudy
    settings: Settings
    progress: Progress

    def workplace(self, name: str, folder: str) -> Workplace:
        """Of a metric, with an empty cache."""
        choice = MetricChoice(name=name, model=self.record["metrics"][name]["model"])
        return workplace_of(choice, self.resolved, self.settings, Path(folder), self.progress)


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
    """Compares metrics.json, scores/ and health.parquet with a new computation: values, intervals, n, p, signatures.

    Raises:
        RunError: nothing was scored, an image is not as it was made, or a number is another.
    """
    run = Run(settings.runs_dir / resolved.run_name)
    record = run.read_json("metrics.json")
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    images = gather(run, drawing.planned(run, chosen, resolved), settings.images_dir, partial=True)
    place = Place(run, record, images, resolved, settings, progress)
    found = [_checked(name, place) for name in record["metrics"]]
    if run.has(TABLE) and run.has(RECORD):
        found.append(_card_checked(place))
    if record["comparisons"]:
        found.append(_holm_checked(record))
    wrong = [one for one in found if one.wrong]
    if wrong:
        told = "; ".join(f"{one.metric}: {one.wrong}" for one in wrong)
        hint = "versions and hardware of the first computation are in manifest.json"
        raise RunError(
            f"{len(wrong)} of {len(found)} results are not what the run says: {told}", where=run.name, hint=hint
        )
    lines = [
        f"  {one.metric:<22} {one.numbers} numbers, largest relative difference {one.largest:.1g}" for one in found
    ]
    said = "\n".join([f"{len(found)} results computed again: all as the run says", *lines])
    return Outcome(said, where=run.folder, facts={"run": run.name, "metrics": [vars(one) for one in found]})


def _checked(name: str, place: Place) -> Checked:
    facts, resolved, images = place.record["metrics"][name], place.resolved, place.images
    if facts["images"] != content_digest(images):
        return Checked(name, 0, 0.0, "the images are not those that were scored")
    choice = MetricChoice(name=name, model=facts["model"])
    reference = find_reference(resolved.study.reference, resolved.root)
    with TemporaryDirectory() as folder:
        workplace = place.workplace(name, folder)
        identity = identity_of(metric_named(name), workplace)
        sheet = sheet_of(choice, identity, reference, images, scope_of(resolved), workplace)
    known = [row for key in ("values", "comparisons") for row in place.record[key] if row["metric"] == name]
    return sheet_compared(name, known, place.run.read_table(f"scores/{name}.parquet", sheet.contract), sheet)


def _card_checked(place: Place) -> Checked:
    """health.parquet, by the metric whose network it says that it took."""
    made, study, root = place.run.read_json(RECORD), place.resolved.study, place.resolved.root
    reference, training = (find_reference(named, root) for named in (study.reference, study.training_set))
    for name in place.record["metrics"]:
        with TemporaryDirectory() as folder:
            workplace = place.workplace(name, folder)
            found = card_sets([name], reference, training, {name: identity_of(metric_named(name), workplace)})
            if found and found[1].signed == made["signed"]:
                table = health_table(place.images, found[1], scope_of(place.resolved), workplace)
                return compared(CARD, place.run.read_table(TABLE, "health"), table)
    return Checked(CARD, 0, 0.0, f"signed {made['signed']} then, which no metric of the run has now")


def _holm_checked(record: dict[str, Any]) -> Checked:
    comparisons = record["comparisons"]
    return Checked("Holm's p", len(comparisons), 0.0, holm_compared(comparisons))
