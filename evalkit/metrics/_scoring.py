"""One metric of a study, from its choice in the study file to the sheet of its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from evalkit import registry
from evalkit.engines import Engine
from evalkit.engines.local import HERE
from evalkit.metrics._metric import Inference, Metric, Workplace
from evalkit.metrics._reference import Reference
from evalkit.metrics._set_sheet import set_sheet
from evalkit.metrics._sheet import Scope, Sheet, image_sheet
from evalkit.outcome import Progress
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy, load_lock, lock_path
from evalkit.spec.study import MetricChoice

if TYPE_CHECKING:
    import pandas as pd


def metric_named(name: str) -> Metric:
    """The file of a metric."""
    return cast(Metric, registry.get("metrics", name))


def takes_model(name: str) -> bool:
    """Whether the study may choose the metric's network."""
    info = metric_named(name).info
    return info.extractor in ("clip", "dinov2", "inception", "inception_classes") or info.network is not None


def scope_of(resolved: ResolvedStudy) -> Scope:
    """What a study sums up."""
    study = resolved.study
    inference = Inference(study.seed, study.analysis.confidence)
    return Scope(tuple(system.name for system in study.systems), study.images, inference)


def workplace_of(
    choice: MetricChoice,
    resolved: ResolvedStudy,
    settings: Settings,
    features: Path,
    progress: Progress,
    engine: Engine = HERE,
) -> Workplace:
    """Where a metric of the study works; `features`: the folder of its cache."""
    revisions = load_lock(lock_path(resolved.path)).models
    return Workplace(settings, features, choice.model, progress, revisions, engine)


def sheet_of(
    choice: MetricChoice,
    identity: str,
    reference: Reference | None,
    images: pd.DataFrame,
    scope: Scope,
    workplace: Workplace,
) -> Sheet:
    """All numbers of the metric; what is not in the workplace's cache is computed."""
    metric = metric_named(choice.name)
    if metric.info.level == "image":
        return image_sheet(choice.name, metric, identity, images, scope, workplace)
    return set_sheet(choice.name, metric, identity, reference, images, scope, workplace)
