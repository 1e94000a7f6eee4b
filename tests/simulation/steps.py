"""How often the interval of a paired difference of distances holds the truth: `python tests/simulation/steps.py`.

Two systems draw the same prompts from the same noise, so their features are correlated; both are compared with one
reference. FD: 64 axes with falling variances, as on the axes of FD-pca64. KID: 64 coordinates around 1.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evalkit.stats.frechet import frechet_distance
from evalkit.stats.frechet_interval import frechet_difference
from evalkit.stats.kernel import polynomial_kernel, squared_mmd_difference
from tests.simulation.headline import population_kid

RESULTS = Path(__file__).with_name("STEPS.md")
RUNS, DIMENSIONS, REFERENCES, SHARED = 100, 64, 960, 0.9
SIZES = (128, 480)
FD_SHIFTS = ((0.30, 0.20), (0.20, 0.18), (0.15, 0.15))
KID_SCALES = ((1.30, 1.20), (1.20, 1.15), (1.15, 1.15))
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StepRow:
    """One case: how often the interval held the true difference, and how often it excluded zero."""

    metric: str
    n: int
    truth: float
    coverage: float
    excluded: float


def table(runs: int = RUNS, seed: int = 11) -> list[StepRow]:
    """Every size with a large, a small and no difference; each case has a seed of its own."""
    cases = [(_frechet, n, shifts) for n in SIZES for shifts in FD_SHIFTS]
    cases += [(_kid, n, scales) for n in SIZES for scales in KID_SCALES]
    seeds = np.random.SeedSequence(seed).spawn(len(cases))
    with ProcessPoolExecutor(2) as workers:
        found = [workers.submit(case, n, gap, runs, own) for (case, n, gap), own in zip(cases, seeds, strict=True)]
        return [row.result() for row in found]


def _frechet(n: int, shifts: tuple[float, float], runs: int, seed: np.random.SeedSequence) -> StepRow:
    """Systems lie `shift` standard deviations off in every coordinate and are narrower by as much."""
    rng, deviations = np.random.default_rng(seed), 1 / np.sqrt(np.arange(1, DIMENSIONS + 1))
    truths = [
        frechet_distance(
            shift * deviations, np.diag(((1 - shift) * deviations) ** 2), np.zeros(DIMENSIONS), np.diag(deviations**2)
        )
        for shift in shifts
    ]
    groups, reference_groups = np.arange(n) % 20, np.arange(REFERENCES) % 20
    fits = []
    for _ in range(runs):
        reference = rng.standard_normal((REFERENCES, DIMENSIONS)) * deviations
        one, two = (
            shift * deviations + z * (1 - shift) * deviations for shift, z in zip(shifts, _pair(n, rng), strict=True)
        )
        fits.append(frechet_difference(one, two, reference, groups, reference_groups))
    return _row("FD, 64 axes", n, truths[0] - truths[1], fits)


def _kid(n: int, scales: tuple[float, float], runs: int, seed: np.random.SeedSequence) -> StepRow:
    """Systems are the reference's population, stretched."""
    truth = float(np.subtract(*(population_kid(DIMENSIONS, (1, 2, 4), scale) for scale in scales)))
    rng, prompts, own = np.random.default_rng(seed), np.arange(n), np.arange(REFERENCES)
    fits = []
    for _ in range(runs):
        reference = 1 + rng.standard_normal((REFERENCES, DIMENSIONS))
        one, two = (scale * (1 + z) for scale, z in zip(scales, _pair(n, rng), strict=True))
        fits.append(squared_mmd_difference(one, two, reference, prompts, prompts, own, polynomial_kernel, name="KID"))
    return _row("KID, 64 coordinates", n, truth, fits)


def _pair(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Standard normal features of two systems, correlated as the same noise makes them."""
    shared, one, two = rng.standard_normal((3, n, DIMENSIONS))
    return tuple(sqrt(SHARED) * shared + sqrt(1 - SHARED) * own for own in (one, two))  # type: ignore[return-value]


def _row(metric: str, n: int, truth: float, fits: list) -> StepRow:
    held = np.mean([fit.low <= truth <= fit.high for fit in fits])
    excluded = np.mean([fit.low > 0 or fit.high < 0 for fit in fits])
    return StepRow(metric, n, truth, float(held), float(excluded))


def as_markdown(rows: list[StepRow], runs: int = RUNS) -> str:
    """The committed table."""
    lines = [
        f"| {row.metric} | {row.n} | {row.truth:.4f} | {row.coverage:.3f} | {row.excluded:.3f} |\n" for row in rows
    ]
    return TEXT.format(runs=runs, error=sqrt(0.95 * 0.05 / runs)) + "".join(lines)


TEXT = """# Paired differences of distances: coverage

Written by `python tests/simulation/steps.py`; held to its targets by `pytest tests/simulation -m slow`.

{runs} pairs of feature sets a row; nominal 95 % intervals, Monte-Carlo standard error {error:.3f}. Two systems with the
same n prompts and correlated features (.9), against 960 references. FD: delete-a-group jackknife, 20 groups; KID:
prompt-block jackknife. "Excludes 0": power where the truth is not 0, false alarms where it is.

Targets, give or take two Monte-Carlo errors: coverage at least .93; false alarms at most .07.

| distance | n | true difference | coverage | excludes 0 |
|---|---|---|---|---|
"""

if __name__ == "__main__":
    RESULTS.write_text(as_markdown(table()), encoding="utf-8")
