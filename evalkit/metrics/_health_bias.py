"""Biased? FD(N) at growing N, the end of its line, and the value with the bias taken off."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.metrics._health_rows import STATISTICS, Subject, jackknifed, nothing, row
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import Moments, Rows, blocks, frechet_distance_from_features, frechet_distance_to, moments
from evalkit.stats.frechet_curve import frechet_curve, is_straight

PANEL, ALL = "biased", "all dimensions"


def bias_rows(subject: Subject) -> list[dict[str, Any]]:
    """The plain distance in all dimensions, and FD(N), FD-infinity and the corrected value where they are valid."""
    if subject.reference.moments:
        return _against_statistics(subject, subject.reference.moments)
    rows, base = subject.features.rows, subject.reference.rows
    if min(len(rows), len(base)) < 2:
        note = f"{subject.counts}: a distance needs two or more of each"
        return [nothing(PANEL, subject.system, "plain", ALL, note)]
    dimensions = base.shape[1]
    enough = is_straight(min(len(rows), len(base)), dimensions)
    note = "" if enough else f"{subject.counts}, in {dimensions} dimensions: mostly bias, and no interval is valid"
    found = [_plain(subject, frechet_distance_from_features(rows, base), note)]
    axes = dimensions if enough else subject.axes
    return found + (_on_axes(subject, axes) if axes else [])


def _against_statistics(subject: Subject, base: Moments) -> list[dict[str, Any]]:
    """What mean and covariance of the reference set allow: all but the corrected value."""
    rows = subject.features.rows
    corrected = nothing(PANEL, subject.system, "corrected", ALL, f"the reference set {STATISTICS}")
    if len(rows) < 2:
        note = f"{len(rows)} images: a distance needs two or more"
        return [nothing(PANEL, subject.system, "plain", ALL, note), corrected]
    enough = is_straight(*rows.shape)
    note = "" if enough else f"{len(rows)} images in {rows.shape[1]} dimensions: mostly bias, and no interval is valid"
    plain = _plain(subject, frechet_distance_to(rows, base), note)
    return [plain, *(_curve(subject, rows, base, ALL) if enough else []), corrected]


def _plain(subject: Subject, value: float, note: str) -> dict[str, Any]:
    found = Estimate(value, None, None, len(subject.features.rows), "Frechet distance, plain", note=note or None)
    return row(PANEL, subject.system, "plain", ALL, found)  # type: ignore[no-any-return]


def _on_axes(subject: Subject, axes: int) -> list[dict[str, Any]]:
    rows, base = subject.projected(subject.features.rows, axes)
    name = f"{axes} axes" if axes < subject.reference.rows.shape[1] else ALL
    found = jackknifed(subject, rows, base)
    return [
        *_curve(subject, rows, moments(blocks(base)), name),
        row(PANEL, subject.system, "plain on axes", name, found.plain),
        row(PANEL, subject.system, "corrected", name, found.corrected),
    ]


def _curve(subject: Subject, rows: Rows, base: Moments, name: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng([subject.seed, 3])
    curve = frechet_curve(rows, base, rng=rng, prompts=subject.features.prompts)
    made = [
        row(PANEL, subject.system, "FD(N)", name, Estimate(float(value), None, None, int(size), "mean over one subset"))
        for size, value in zip(curve.sizes, curve.values, strict=True)
    ]
    return [*made, row(PANEL, subject.system, "FD-infinity", name, curve.infinity)]
