"""Biased? FD(N) at growing N, the end of its line, and the value with the bias taken off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.metrics._health_rows import Subject, jackknifed, row
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import frechet_distance_from_features, moments
from evalkit.stats.frechet_curve import frechet_curve

PANEL = "biased"


def bias_rows(subject: Subject) -> list[dict[str, Any]]:
    """The plain distance in all dimensions, and FD(N), FD-infinity and the corrected value where they are valid."""
    rows, base = subject.features.rows, subject.reference.rows
    if min(len(rows), len(base)) < 2:
        note = f"{len(rows)} images: a distance needs two or more"
        return [row(PANEL, subject.system, "plain", "all dimensions", Estimate(None, None, None, 0, "", note=note))]
    n, dimensions = len(rows), base.shape[1]
    plain = Estimate(frechet_distance_from_features(rows, base), None, None, n, "Frechet distance, plain")
    enough = min(n, len(base)) >= 2 * dimensions
    note = "" if enough else f"{n} images in {dimensions} dimensions: mostly bias, and no interval is valid"
    found = [row(PANEL, subject.system, "plain", "all dimensions", replace(plain, note=note or None))]
    axes = dimensions if enough else subject.axes
    return found + (_curve_rows(subject, axes) if axes else [])


def _curve_rows(subject: Subject, axes: int) -> list[dict[str, Any]]:
    rows, base = subject.projected(subject.features.rows, axes)
    name = f"{axes} axes" if axes < subject.reference.rows.shape[1] else "all dimensions"
    rng = np.random.default_rng([subject.seed, 3])
    curve = frechet_curve(rows, moments([base]), rng=rng, prompts=subject.features.prompts)
    found = jackknifed(subject, rows, base)
    made = [
        row(PANEL, subject.system, "FD(N)", name, Estimate(float(value), None, None, int(size), "mean over one subset"))
        for size, value in zip(curve.sizes, curve.values, strict=True)
    ]
    made.append(row(PANEL, subject.system, "FD-infinity", name, curve.infinity))
    made.append(row(PANEL, subject.system, "plain on axes", name, found.plain))
    return [*made, row(PANEL, subject.system, "corrected", name, found.corrected)]
