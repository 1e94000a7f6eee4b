"""Memorised? Nearest images of the training set, AuthPct, MiFID beside the plain distance, near-duplicates of seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.metrics._health_rows import STATISTICS, Subject, nothing, row
from evalkit.metrics._metric import FeatureSet, Floats
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Rows, blocks, frechet_distance_from_features
from evalkit.stats.health import CLOSE, copy_closeness
from evalkit.stats.memorisation import memorisation_distance, memorisation_informed, nearest, nearest_other

PANEL, SHOWN = "memorisation", 6
DUPLICATE = 0.25
"""Two seeds of one prompt are near-duplicates below this share of the median distance between prompts."""


def memory_rows(subject: Subject) -> list[dict[str, Any]]:
    """Numbers of the whole set, the most suspicious images with their neighbours, and the nearest pair of seeds."""
    base, rows = subject.training or subject.reference, subject.features.rows
    if (note := _refusal(subject, base)) is not None:
        return [nothing(PANEL, subject.system, "AuthPct", _against(subject), note), *_duplicates(subject)]
    found = nearest(rows, base.rows)
    closeness = copy_closeness(found.distance, nearest_other(base.rows, found.index))
    return [
        *_whole(subject, base, closeness),
        *_suspicious(subject, base, closeness, found.index),
        *_duplicates(subject),
    ]


def _refusal(subject: Subject, base: FeatureSet) -> str | None:
    name = "training set" if subject.training is not None else "reference set"
    if base.moments:
        return f"the {name} {STATISTICS}"
    rows = len(subject.features.rows)
    few = rows < 2 or len(base.rows) < 3
    return f"{rows} images against {len(base.rows)} of the {name}: too few to look for neighbours" if few else None


def _against(subject: Subject) -> str:
    return "training set" if subject.training is not None else "reference set, not known to be the training set"


def _whole(subject: Subject, base: FeatureSet, closeness: Floats) -> list[dict[str, Any]]:
    rows, against = subject.features.rows, _against(subject)
    confidence = subject.scope.inference.confidence
    shares = {"AuthPct": 100.0 * (closeness > 1), "suspected copies": 100.0 * (closeness < CLOSE)}
    made = []
    for name, values in shares.items():
        mean = clustered_mean(values, subject.features.prompts, None, confidence=confidence, bounds=(0.0, 100.0))
        made.append(row(PANEL, subject.system, name, against, mean.estimate))
    plain = frechet_distance_from_features(rows, base.rows)
    informed = memorisation_informed(plain, memorisation_distance(rows, base.rows))
    for name, value in (("Frechet distance", plain), ("memorisation-informed distance", informed)):
        method, note = "plain, all dimensions", "no valid interval"
        made.append(
            row(PANEL, subject.system, name, against, Estimate(value, None, None, len(rows), method, note=note))
        )
    return made


def _suspicious(subject: Subject, base: FeatureSet, closeness: Floats, index: Any) -> list[dict[str, Any]]:
    """The nearest neighbours of the images that are nearest, one image a prompt."""
    made: list[dict[str, Any]] = []
    seen, names = set[str](), base.prompts if base.shas is None else base.shas
    for place in np.argsort(closeness, kind="stable"):
        prompt = str(subject.features.prompts[place])
        if prompt not in seen and len(made) < SHOWN:
            seen.add(prompt)
            found = Estimate(float(closeness[place]), None, None, 1, "way to it over its way to its own neighbour")
            key, other = str(subject.images["key"].iloc[place]), str(names[index[place]])
            made.append(row(PANEL, subject.system, "nearest image", _against(subject), found, key, other))
    return made


def _duplicates(subject: Subject) -> list[dict[str, Any]]:
    """Share of prompts with two images alike, and the most alike pair; nothing where a prompt has one image."""
    rows, prompts = subject.features.rows, subject.features.prompts
    code = np.unique(prompts, return_inverse=True)[1]
    typical, pairs = None, []
    for mine in np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]):
        if mine.size > 1:
            typical = _typical(rows) if typical is None else typical
            own = np.asarray(rows[mine], dtype=np.float64)
            gaps = np.linalg.norm(own[:, None] - own[None], axis=2) + np.diag(np.full(mine.size, np.inf))
            one, two = np.unravel_index(gaps.argmin(), gaps.shape)
            pairs.append((float(gaps.min()) / max(typical, 1e-300), mine[one], mine[two]))
    if not pairs:
        return []
    alike = 100 * float(np.mean([gap < DUPLICATE for gap, _, _ in pairs]))
    method = f"share of prompts with two seeds under {DUPLICATE:g} of the median distance between prompts"
    gap, one, two = min(pairs, key=lambda pair: pair[0])
    keys = [str(key) for key in subject.images["key"]]
    nearest_pair = Estimate(gap, None, None, 2, "distance over the median distance between prompts")
    return [
        row(PANEL, subject.system, "near-duplicates", "across seeds", Estimate(alike, None, None, len(pairs), method)),
        row(PANEL, subject.system, "nearest seeds", "across seeds", nearest_pair, keys[one], keys[two]),
    ]


def _typical(rows: Rows) -> float:
    """Median distance between images half of the set apart, some rows at a time."""
    places = np.arange(len(rows))
    others = np.roll(places, len(rows) // 2)
    parts = zip(blocks(rows), blocks(rows, others), strict=True)
    return float(np.median(np.concatenate([np.linalg.norm(one.astype(float) - two, axis=1) for one, two in parts])))
