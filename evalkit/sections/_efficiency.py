"""Quality against cost, as records: models drawn at several step counts, and claims that fewer steps are as good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from evalkit.sections._scores import Comparison, Scores, image_scores
from evalkit.sections._study import Facts
from evalkit.spec.study import FewerSteps
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.equivalence import equivalence
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

BY_INTERVAL = "equivalent where the interval lies within the margin: two one-sided tests"


@dataclass(frozen=True)
class Point:
    """One system: its steps, the mean seconds an image took, and its quality by one metric."""

    system: str
    steps: int
    seconds: Estimate
    quality: Estimate


@dataclass(frozen=True)
class Curve:
    """One model at two or more step counts, all other settings alike."""

    metric: str
    signature: str
    model: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Verdict:
    """A claim of the study file, the difference that was found, and whether it lies within the margin."""

    claim: FewerSteps
    difference: Estimate
    p: float | None
    equivalent: bool | None


def curves(run: Run, scores: Scores, facts: Facts) -> list[Curve]:
    """One curve for each metric and each model that the study draws at several step counts."""
    images = run.read_table("images.parquet", "images") if run.has("images.parquet") else None
    return [curve for systems in _families(facts) for curve in _of_model(systems, images, scores, facts)]


def verdicts(run: Run, scores: Scores, facts: Facts) -> list[Verdict]:
    """Each claim that fewer steps are as good as more, with its test: paired by prompt, against its margin."""
    by_image = image_scores(run, scores)
    found = []
    for claim in facts.study.fewer_steps:
        if claim.metric in by_image:
            found.append(_by_prompts(claim, by_image[claim.metric], run.read_table("images.parquet", "images"), facts))
        else:
            found.append(_by_interval(claim, scores.comparisons))
    return found


def _families(facts: Facts) -> list[list[str]]:
    """Systems that differ in their steps alone, fewest first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for system in facts.study.systems:
        groups.setdefault((system.model, system.sampling.model_dump_json(exclude={"steps"})), []).append(system.name)
    ordered = [sorted(names, key=lambda name: _steps(name, facts)) for names in groups.values()]
    return [names for names in ordered if len({_steps(name, facts) for name in names}) > 1]


def _steps(system: str, facts: Facts) -> int:
    return facts.study.system(system).sampling.steps


def _of_model(systems: list[str], images: pd.DataFrame | None, scores: Scores, facts: Facts) -> Iterator[Curve]:
    seconds = {system: seconds_of(images, system, facts) for system in systems}
    model = facts.cards[systems[0]].title.split(" (")[0]
    for metric in dict.fromkeys(value.metric for value in scores.values):
        mine = [v for v in scores.values if v.metric == metric and v.overall and v.system in systems]
        by_system = {v.system: v for v in mine if v.signature == mine[0].signature}  # never two kinds on one line
        points = tuple(
            Point(system, _steps(system, facts), seconds[system], by_system[system].estimate)
            for system in systems
            if system in by_system and by_system[system].estimate.value is not None
        )
        if len(points) > 1:
            yield Curve(metric, by_system[points[0].system].signature, model, points)


def seconds_of(images: pd.DataFrame | None, system: str, facts: Facts) -> Estimate:
    """Mean seconds per image of a system. Images of one batch share their time, so batches are the clusters."""
    method = "mean over images, clustered by batch"
    drawn = images[(images["system"] == system) & (images["seconds"] > 0)] if images is not None else None
    if drawn is None or drawn.empty:
        return Estimate(None, None, None, 0, method, note="these images were not drawn here: no time is known")
    taken = drawn["seconds"].to_numpy()
    found = clustered_mean(taken, taken, None, confidence=facts.study.analysis.confidence, bounds=None).estimate
    return replace(found, method=method, prompts=None)


def _by_prompts(claim: FewerSteps, values: dict[str, float], images: pd.DataFrame, facts: Facts) -> Verdict:
    """Two one-sided paired t tests over the prompts that both systems have."""
    counted = images[images["image_index"] < facts.study.images]
    scored = counted.assign(value=counted["key"].map(values)).dropna(subset=["value"])
    means = scored.groupby(["system", "prompt_key"])["value"].mean()
    if not {claim.system, claim.as_good_as} <= set(means.index.get_level_values(0)):
        nothing = Estimate(None, None, None, 0, "paired t by prompt", note="one of the systems has no score")
        return Verdict(claim, nothing, None, None)
    paired = (means[claim.system] - means[claim.as_good_as]).dropna()
    mean = clustered_mean(paired.to_numpy(), np.array(paired.index), None, bounds=None)
    found = equivalence(mean, claim.margin, largest=inf)
    method = "paired by prompt; 90 % interval of two one-sided tests at 5 %"
    return Verdict(claim, replace(found.estimate, method=method), found.test.p, found.equivalent)


def _by_interval(claim: FewerSteps, comparisons: list[Comparison]) -> Verdict:
    """For distances of sets: the interval of the paired difference lies within the margin."""
    for found in comparisons:
        sign = {(claim.system, claim.as_good_as): 1, (claim.as_good_as, claim.system): -1}.get(
            (found.first, found.second)
        )
        if found.metric == claim.metric and sign:
            difference = _signed(found.estimate, sign)
            return Verdict(claim, replace(difference, method=BY_INTERVAL), None, _within(difference, claim.margin))
    return Verdict(claim, Estimate(None, None, None, 0, BY_INTERVAL, note="the systems were not compared"), None, None)


def _signed(estimate: Estimate, sign: int) -> Estimate:
    if sign > 0 or estimate.value is None:
        return estimate
    low, high = (None if bound is None else -bound for bound in (estimate.high, estimate.low))
    return replace(estimate, value=-estimate.value, low=low, high=high)


def _within(found: Estimate, margin: float) -> bool | None:
    if found.low is None or found.high is None:
        return None
    return -margin < found.low and found.high < margin
