"""All numbers of one metric about one study: values by system and slice, differences of systems, and their table.

`images` (planned, those of every system): key, system, prompt_key, lang, category, challenge, prompt, image_index,
sha256, file, flagged, blank, and `problem`, which is "" where the image is there as it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit import __version__
from evalkit.metrics._metric import NOTHING_ASKED, PROMPT_CUT, ImageScores, Inference, Metric, Picture, Workplace
from evalkit.metrics._slices import OVERALL, Slice, slices
from evalkit.stats.cluster_variance import FEWEST_PROMPTS
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.pairing import paired_difference

if TYPE_CHECKING:
    import pandas as pd

REMARKS = {PROMPT_CUT: "have a prompt that was cut", NOTHING_ASKED: "have a prompt that asks for no text"}
"""What a metric says of single images, and how its number tells of it."""
MEAN = "mean over images, clustered t by prompt"


@dataclass(frozen=True)
class Sheet:
    """`values` and `comparisons` are rows of metrics.json, `table` goes to scores/NAME.parquet under its contract."""

    values: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    table: pd.DataFrame
    contract: str


@dataclass(frozen=True)
class Scope:
    """What is summed up: the systems in the study's order, and how many images of each prompt its plan counts."""

    systems: tuple[str, ...]
    images_per_prompt: int
    inference: Inference


def signature(name: str, metric: Metric, *parts: str) -> str:
    """What a number is, in one line: `fd_lite0/1|network:weights|resizing|variant|n|reference|evalkit-0.1.0`."""
    return "|".join([f"{name}/{metric.info.version}", *parts, f"evalkit-{__version__}"])


def image_sheet(
    name: str, metric: Metric, identity: str, images: pd.DataFrame, scope: Scope, workplace: Workplace
) -> Sheet:
    """The sheet of a metric of level "image"."""
    there = images[images["problem"] == ""].drop_duplicates("key")
    columns = (there[name] for name in ("file", "sha256", "prompt", "lang"))
    pictures = [Picture(*facts) for facts in zip(*columns, strict=True)]
    scores = metric.score(pictures, workplace) if pictures else ImageScores(np.zeros(0), [])
    signed = signature(name, metric, *filter(None, [identity, scores.variant]))
    by_key = dict(zip(there["key"], scores.values, strict=True))
    told = dict(zip(there["key"], scores.reasons, strict=True))
    scored = images.assign(
        value=[by_key.get(key, np.nan) for key in images["key"]],
        reason=["; ".join(reasons(row, told.get(row.key, ""))) for row in images.itertuples()],
    )
    counted = scored[scored["image_index"] < scope.images_per_prompt]
    table = scored.drop_duplicates("key").rename(columns={"key": "image_key"}).assign(signature=signed)
    return Sheet(
        values=[value_row(name, signed, *row) for row in _means(counted, scope, metric.info.range)],
        comparisons=[comparison_row(name, signed, *row) for row in _paired(counted, scope)],
        table=table[["image_key", "value", "reason", "signature"]],
        contract="scores_image",
    )


def reasons(image: Any, of_metric: str = "") -> list[str]:
    """What must be known about one image."""
    flagged = "flagged by the safety checker" if image.flagged else ""
    blank = "blank: a single colour" if image.blank else ""
    return [reason for reason in (image.problem, flagged, blank, of_metric) if reason]


def value_row(name: str, signed: str, system: str, part: Slice, estimate: Estimate) -> dict[str, Any]:
    """A row of metrics.json's `values`."""
    where = {"metric": name, "system": system, "slice": part.name, "lang": part.lang}
    return where | _numbers(estimate) | {"signature": signed}


def comparison_row(name: str, signed: str, system_a: str, system_b: str, estimate: Estimate, p: float | None) -> Any:
    """A row of metrics.json's `comparisons`: system_a minus system_b; `p_holm` is filled in once all are known."""
    pair = {"metric": name, "system_a": system_a, "system_b": system_b}
    return pair | _numbers(estimate) | {"p": p, "p_holm": None, "signature": signed}


def health_note(images: pd.DataFrame) -> str:
    """Missing, flagged, blank and otherwise remarkable images of a slice, counted; "" where there are none."""
    words = (("not there", images["problem"] != ""), ("flagged", images["flagged"]), ("blank", images["blank"]))
    counts = [f"{int(found.sum())} of {len(images)} images {word}" for word, found in words if found.any()]
    if "reason" in images:
        told = {said: int(images["reason"].str.contains(mark, regex=False).sum()) for mark, said in REMARKS.items()}
        counts += [f"{n} of {len(images)} images {said}" for said, n in told.items() if n]
    return "; ".join(counts)


def with_note(estimate: Estimate, note: str) -> Estimate:
    """The estimate with one more remark."""
    return replace(estimate, note="; ".join(filter(None, [estimate.note, note])) or None)


def _numbers(estimate: Estimate) -> dict[str, Any]:
    return {
        **{name: getattr(estimate, name) for name in ("value", "low", "high", "n", "method")},
        "note": estimate.note or "",
    }


def _means(
    scored: pd.DataFrame, scope: Scope, bounds: tuple[float | None, float | None]
) -> Iterator[tuple[str, Slice, Estimate]]:
    for system in scope.systems:
        for part in slices(scored[scored["system"] == system]):
            estimate = _mean(part, bounds, scope.inference.confidence)
            yield system, part, with_note(estimate, health_note(part.images))


def _mean(part: Slice, bounds: tuple[float | None, float | None], confidence: float) -> Estimate:
    known = part.images[part.images["value"].notna()]
    prompts = known["prompt_key"].nunique()
    if part.name != OVERALL and prompts < FEWEST_PROMPTS:
        note = f"{len(known)} images of {prompts} prompts: too few for a number"
        return Estimate(None, None, None, len(known), MEAN, prompts, note=note)
    low, high = bounds
    limits = (float(low), float(high)) if low is not None and high is not None else None
    mean = clustered_mean(
        known["value"].to_numpy(), known["prompt_key"].to_numpy(), None, confidence=confidence, bounds=limits
    )
    return replace(mean.estimate, method=MEAN)


def _paired(scored: pd.DataFrame, scope: Scope) -> Iterator[tuple[str, str, Estimate, float | None]]:
    known = scored[scored["value"].notna()]
    for system_a, system_b in combinations(scope.systems, 2):
        a, b = (known[known["system"] == system] for system in (system_a, system_b))
        found = paired_difference(
            *(a["value"].to_numpy(), b["value"].to_numpy(), a["prompt_key"].to_numpy(), b["prompt_key"].to_numpy()),
            rng=np.random.default_rng(scope.inference.seed),
            confidence=scope.inference.confidence,
        )
        yield system_a, system_b, with_note(found.estimate, _bootstrapped(found.bootstrap)), found.test.p


def _bootstrapped(bootstrap: Estimate) -> str:
    """The interval by bootstrap over prompts beside the paired t, from 100 prompts (with fewer it undercovers)."""
    if bootstrap.low is None or bootstrap.high is None:
        return ""
    return f"bootstrap over prompts: {bootstrap.low:.4g} to {bootstrap.high:.4g}"
