"""The sheet of a metric of level "set": a distance of each system's images to the reference set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from evalkit import registry
from evalkit.extractors._cache import NOTHING, Features, cached_features
from evalkit.metrics._captions import other_prompts
from evalkit.metrics._metric import Difference, FeatureSet, Metric, SetValue, Workplace
from evalkit.metrics._reference import Reference, read_reference
from evalkit.metrics._sheet import Scope, Sheet, comparison_row, health_note, signature, value_row, with_note
from evalkit.metrics._slices import OVERALL, Slice, slices
from evalkit.stats.estimate import Estimate
from evalkit.stats.kernel import FEWEST_PROMPTS

if TYPE_CHECKING:
    import pandas as pd

NO_REFERENCE = "no reference set: name one in the study file (`reference:`)"
STATISTICS = "the reference set is given by its mean and covariance only: this metric needs its features"
METHOD = "distance to the reference set"


def set_sheet(
    name: str,
    metric: Metric,
    identity: str,
    reference: Reference | None,
    images: pd.DataFrame,
    scope: Scope,
    workplace: Workplace,
) -> Sheet:
    """The sheet of a metric of level "set"; without a reference it holds no number, and says why."""
    import pandas as pd

    counted = images[images["image_index"] < scope.images_per_prompt]
    wanted = reference if metric.info.reference else None
    absent = _absent(metric, wanted, counted)
    base = read_reference(wanted, metric.info.extractor, workplace) if wanted and not absent else None
    features = NOTHING if absent else _features(counted, metric.info.extractor, identity, workplace)
    label = f"ref={wanted.label}" if wanted else "ref=none"

    def signed(variant: str) -> str:
        return signature(name, metric, identity, variant, label)

    values = [
        value_row(name, signed(found.variant), system, part, with_note(found.estimate, health_note(part.images)))
        for system, part, found in _values(metric, counted, features, base, scope, absent)
    ]
    comparisons = [
        comparison_row(name, signed("difference"), system_a, system_b, found.estimate, found.p)
        for system_a, system_b, found in _differences(metric, counted, features, base, scope, absent)
    ]
    return Sheet(values, comparisons, pd.DataFrame(values).drop(columns="metric"), "scores_set")


def _features(images: pd.DataFrame, extractor: str, identity: str, workplace: Workplace) -> Features:
    module = registry.get("extractors", extractor)
    there = images[images["problem"] == ""]
    paths = dict(zip(there["sha256"], there["file"], strict=True))
    return cached_features(
        paths,
        identity,
        lambda: module.load(workplace.settings, workplace.model),
        *workplace.cache,
    )


def _values(
    metric: Metric, images: pd.DataFrame, features: Features, base: FeatureSet | None, scope: Scope, absent: str
) -> Iterator[tuple[str, Slice, SetValue]]:
    for system in scope.systems:
        for part in slices(images[images["system"] == system]):
            rows = _rows(part.images, features)
            note = absent or _refusal(metric, base, rows) or _too_few(part, rows)
            if note:
                yield system, part, SetValue(Estimate(None, None, None, len(rows.rows), METHOD, note=note), "none")
            else:
                found = metric.estimate(rows, base, scope.inference)
                yield system, part, replace(found, estimate=with_note(found.estimate, _of_content(part, metric)))


def _differences(
    metric: Metric, images: pd.DataFrame, features: Features, base: FeatureSet | None, scope: Scope, absent: str
) -> Iterator[tuple[str, str, Difference]]:
    for system_a, system_b in combinations(scope.systems, 2):
        a, b = (_rows(images[images["system"] == system], features) for system in (system_a, system_b))
        note = absent or _refusal(metric, base, a, b)
        if note:
            nothing = Estimate(None, None, None, len(a.rows), f"{METHOD}, difference", note=note)
            yield system_a, system_b, Difference(nothing, None)
        else:
            yield system_a, system_b, metric.difference(a, b, base, scope.inference)


def _rows(images: pd.DataFrame, features: Features) -> FeatureSet:
    known = images[images["sha256"].isin(features) & (images["problem"] == "")]
    return FeatureSet(features.of(known["sha256"].tolist()), known["prompt_key"].to_numpy().astype(np.str_))


def _absent(metric: Metric, reference: Reference | None, images: pd.DataFrame) -> str:
    """Why there is nothing to measure against; "" where there is. On Inception, only images of the same captions."""
    if not metric.info.reference:
        return ""
    if reference is None:
        return NO_REFERENCE
    return (metric.info.extractor == "inception" and other_prompts(reference.path, images["prompt_key"])) or ""


def _refusal(metric: Metric, base: FeatureSet | None, *sets: FeatureSet) -> str | None:
    if base and base.moments and not metric.info.statistics:
        return STATISTICS
    fewest = min(len(one.rows) for one in (*sets, *([base] if base and not base.moments else [])))
    return f"{fewest} images: a number about a set needs two or more" if fewest < 2 else None


def _too_few(part: Slice, rows: FeatureSet) -> str | None:
    prompts = np.unique(rows.prompts).size
    if part.name == OVERALL or prompts >= FEWEST_PROMPTS:
        return None
    return f"{len(rows.rows)} images of {prompts} prompts: too few for a number"


def _of_content(part: Slice, metric: Metric) -> str:
    """A warning: the reference set has no categories."""
    by_content = part.name != OVERALL and not part.lang and metric.info.reference
    return "measures what these prompts ask for, too: compare systems within it only" if by_content else ""
