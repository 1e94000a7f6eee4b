"""Memorised? Nearest images of the training set, AuthPct, MiFID beside the plain distance, near-duplicates of seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.metrics._health_rows import Subject, row
from evalkit.metrics._metric import FeatureSet, Floats
from evalkit.stats.clustered import clustered_mean
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import frechet_distance_from_features
from evalkit.stats.health import CLOSE, copy_closeness
from evalkit.stats.memorisation import memorisation_distance, memorisation_informed, nearest, nearest_other

PANEL, SHOWN = "memorisation", 6
DUPLICATE = 0.25
"""Two seeds of one prompt are near-duplicates below this share of the median distance between prompts."""


def memory_rows(subject: Subject) -> list[dict[str, Any]]:
    """Numbers of the whole set, the most suspicious images with their neighbours, and the nearest pair of seeds."""
    base, rows = subject.training or subject.reference, subject.features.rows
    if len(rows) < 2 or len(base.rows) < 3:
        note = f"{len(rows)} and {len(base.rows)} images: too few to look for neighbours"
        return [row(PANEL, subject.system, "AuthPct", _against(subject), Estimate(None, None, None, 0, "", note=note))]
    found = nearest(rows, base.rows)
    closeness = copy_closeness(found.distance, nearest_other(base.rows, found.index))
    return [
        *_whole(subject, base, closeness),
        *_suspicious(subject, base, closeness, found.index),
        *_duplicates(subject),
    ]


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
    typical = float(np.median(np.linalg.norm(rows - np.roll(rows, len(rows) // 2, axis=0), axis=1)))
    pairs = []
    for prompt in np.unique(prompts):
        mine = np.flatnonzero(prompts == prompt)
        if mine.size > 1:
            gaps = np.linalg.norm(rows[mine, None] - rows[None, mine], axis=2) + np.diag(np.full(mine.size, np.inf))
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
