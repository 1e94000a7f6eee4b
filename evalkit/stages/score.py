"""`evalkit score`: the metrics of a study, with intervals, from the images that `evalkit generate` listed.

Scores are kept by the content of the images and the signature of the metric: a second run computes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evalkit import prompts
from evalkit.engines import Engine
from evalkit.engines.local import HERE
from evalkit.errors import SpecError
from evalkit.metrics._health_card import card_sets, forget_card, write_card
from evalkit.metrics._metric import identity_of, title
from evalkit.metrics._reference import Reference, find_reference
from evalkit.metrics._scoring import metric_named, scope_of, sheet_of, takes_model, workplace_of
from evalkit.metrics._sheet import Sheet, signature
from evalkit.metrics._slices import OVERALL
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.plan import PlannedImage, select_prompts, voting_keys
from evalkit.spec.resolve import ResolvedStudy
from evalkit.spec.study import MetricChoice
from evalkit.stats.multiplicity import holm
from evalkit.store import drawing
from evalkit.store.manifest import add_stage
from evalkit.store.pace import watched
from evalkit.store.run import Run
from evalkit.store.run_images import content_digest, gather, health
from evalkit.store.thumbnails import write_thumbnail

if TYPE_CHECKING:
    import pandas as pd

RECORD = "metrics.json"
THUMBNAILS_PER_SYSTEM = 64


def score(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    metrics: Sequence[str] = (),
    partial: bool = False,
    engine: Engine = HERE,
    progress: Progress = silent,
) -> Outcome:
    """Computes what is missing; writes scores/NAME.parquet, metrics.json, health.parquet and thumbnails.

    Args:
        metrics: only these; one that the study does not name is computed too, and marked as not planned.
        partial: score the images that are there; else a missing image is an error.
        engine: what runs the networks: this process, or the workers of a cluster.

    Raises:
        RunError: images are missing or not as they were made.
        SpecError: an unknown metric or reference.
        UnavailableError: the weights of a feature network cannot be had.
    """
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    chosen, progress = choices(resolved, metrics), watched(run.folder, progress)
    reference = find_reference(resolved.study.reference, resolved.root)
    places = {
        choice.name: workplace_of(choice, resolved, settings, run.path("features"), progress, engine)
        for choice in chosen
    }
    identities = {name: identity_of(metric_named(name), place) for name, place in places.items()}
    training = find_reference(resolved.study.training_set, resolved.root)
    card = card_sets([choice.name for choice in chosen], reference, training, identities)
    planned = _plan(resolved, settings, run)
    images = gather(run, planned, settings.images_dir, partial=partial)
    with run.lock("score", wait=settings.wait):
        _forget_other_images(run, images)
        fresh: list[str] = []
        for choice in chosen:
            facts = _facts(choice, identities[choice.name], reference, images, resolved)
            if not _is_done(run, choice.name, facts):
                name = choice.name
                sheet = sheet_of(choice, identities[name], reference, images, scope_of(resolved), places[name])
                _keep(run, choice.name, facts, sheet, images)
                fresh.append(choice.name)
        if card and write_card(run, images, card[1], scope_of(resolved), places[card[0]]):
            fresh.append("health card")
        made = _thumbnails(run, images, resolved, planned, progress)
        if fresh or made:
            add_stage(run, "score", seconds=time.perf_counter() - started, metrics=fresh, thumbnails=made)
    return _outcome(run, fresh, chosen, resolved)


def choices(resolved: ResolvedStudy, names: Sequence[str]) -> list[MetricChoice]:
    """The study's metrics, or those that were asked for, with the study's own choice of network where it makes one."""
    planned = {choice.name: choice for choice in resolved.study.metrics}
    if len(planned) < len(resolved.study.metrics):
        raise SpecError("a metric is named twice", where=str(resolved.path), hint="one network for each metric")
    if not names and not planned:
        hint = "add `metrics: [clip_score]`, or name some with --metrics"
        raise SpecError("the study names no metrics", where=str(resolved.path), hint=hint)
    for name in (*planned, *names):
        metric_named(name)
    if wrong := [name for name, choice in planned.items() if choice.model and not takes_model(name)]:
        hint = "leave `model` out: metrics on CLIP, DINOv2, Inception (its resizing) or a network of their own take one"
        raise SpecError(f"{wrong[0]} has no network of choice", where=str(resolved.path), hint=hint)
    return [planned.get(name, MetricChoice(name=name)) for name in dict.fromkeys(names or planned)]


def _plan(resolved: ResolvedStudy, settings: Settings, run: Run) -> list[PlannedImage]:
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    return drawing.planned(run, chosen, resolved)


def _record(run: Run) -> dict[str, Any]:
    """metrics.json, empty where there is none."""
    nothing: dict[str, Any] = {"metrics": {}, "values": [], "comparisons": [], "health": {}}
    return nothing | (run.read_json(RECORD) if run.has(RECORD) else {})


def _facts(
    choice: MetricChoice, identity: str, reference: Reference | None, images: pd.DataFrame, resolved: ResolvedStudy
) -> dict[str, Any]:
    """What metrics.json tells about a metric; its numbers hang on `images` (a digest) and `signed`."""
    metric = metric_named(choice.name)
    against = reference if metric.info.level == "set" and metric.info.reference else None
    label = against.label if against else None
    return {
        "title": title(metric),
        **asdict(metric.info),
        "model": choice.model,
        "network": identity,
        "reference": label,
        "planned": choice in resolved.study.metrics,
        "images": content_digest(images),
        "signed": signature(choice.name, metric, identity, str(label)),
    }


def _is_done(run: Run, name: str, facts: dict[str, Any]) -> bool:
    known = _record(run)["metrics"].get(name, {})
    same = all(known.get(key) == facts[key] for key in ("images", "signed"))
    return same and run.has(f"scores/{name}.parquet")


def _forget_other_images(run: Run, images: pd.DataFrame) -> None:
    """Takes out metrics of other images than there are now, as after a --partial run: never two kinds in one table."""
    record, content = _record(run), content_digest(images)
    forget_card(run, images)
    stale = [name for name, facts in record["metrics"].items() if facts["images"] != content]
    if stale:
        run.write_json(RECORD, _without(record, stale))
    for name in stale:
        run.path(f"scores/{name}.parquet").unlink(missing_ok=True)


def _without(record: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return record | {
        "metrics": {name: facts for name, facts in record["metrics"].items() if name not in names},
        **{key: [row for row in record[key] if row["metric"] not in names] for key in ("values", "comparisons")},
    }


def _keep(run: Run, name: str, facts: dict[str, Any], sheet: Sheet, images: pd.DataFrame) -> None:
    """Writes the table, then metrics.json with this metric's rows; Holm's correction runs over all comparisons."""
    run.write_table(f"scores/{name}.parquet", sheet.table, sheet.contract)
    record = _without(_record(run), [name])
    comparisons = record["comparisons"] + sheet.comparisons
    adjusted = holm([row["p"] for row in comparisons])
    new = {
        "metrics": record["metrics"] | {name: facts},
        "values": record["values"] + sheet.values,
        "comparisons": [row | {"p_holm": p} for row, p in zip(comparisons, adjusted, strict=True)],
        "health": health(images),
    }
    run.write_json(RECORD, new)


def _thumbnails(
    run: Run, images: pd.DataFrame, resolved: ResolvedStudy, planned: Sequence[PlannedImage], progress: Progress
) -> int:
    """Thumbnails of what the report can show: what raters see first, then the first image of each prompt."""
    shown = set(voting_keys([image.prompt for image in planned], resolved))
    seen = images["prompt_key"].isin(shown)
    order = images.assign(turn=(~seen).astype(int)).sort_values(["turn", "image_index"], kind="stable")
    chosen = order[order["problem"] == ""].groupby("system", sort=False).head(THUMBNAILS_PER_SYSTEM)
    made = 0
    for done, (key, file) in enumerate(zip(chosen["key"], chosen["file"], strict=True), 1):
        made += write_thumbnail(run, key, file)
        progress("thumbnails", done, len(chosen))
    return made


def _outcome(run: Run, fresh: list[str], chosen: list[MetricChoice], resolved: ResolvedStudy) -> Outcome:
    record = _record(run)
    names = {choice.name for choice in chosen}
    values = [row for row in record["values"] if row["metric"] in names]
    overall = [row for row in values if row["slice"] == OVERALL]
    scored = [name for name in fresh if name in names]
    said = [f"{len(scored)} metrics scored" if scored else "nothing to score: all metrics are there"]
    comparisons = [row for row in record["comparisons"] if row["metric"] in names]
    facts = {"run": str(run.folder), "fresh": fresh, "values": values, "comparisons": comparisons}
    warnings = tuple(dict.fromkeys(f"{row['metric']}: {row['note']}" for row in overall if row["value"] is None))
    return Outcome(
        "\n".join([*said, *(_line(row, max(len(name) for name in names)) for row in overall)]),
        where=run.folder,
        next=f"evalkit report {resolved.study.name}",
        facts=facts | {"health": record["health"]},
        warnings=warnings,
    )


def _line(row: dict[str, Any], width: int) -> str:
    interval = f" ({row['low']:.4g} to {row['high']:.4g})" if row["low"] is not None else ""
    value = f"{row['value']:.4g}{interval}" if row["value"] is not None else "no number"
    return f"  {row['metric']:<{width}}  {row['system']:<20} {value}, n = {row['n']}"
