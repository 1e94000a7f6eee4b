"""Frechet distances against pytorch-fid, clean-fid, torch-fidelity and torchmetrics: one thread, interleaved, CPU time.

    pip install --no-deps 'pytorch-fid==0.3.0' 'clean-fid==0.1.35'   # and scipy < 1.18: both call sqrtm's old `disp`
    env -u OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m tests.benchmarks.frechet

Each peer runs its own code on the same float32 features (2048 dimensions, decaying spectrum): statistics by the
peer's own way, then its own distance. Writes frechet.md beside this file; `--case NAME` renews one of its tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evalkit.stats.frechet import frechet_distance, frechet_distance_from_features, moments
from tests.benchmarks.machine import described

DIMENSIONS = 2048
OURS = "evalkit"
CASES = {"statistics": 4 * DIMENSIONS, "10,000 rows": 10_000, "1,632 rows": 1632}


def features(n: int, seed: int, dimensions: int = DIMENSIONS) -> np.ndarray:
    """Rows as a network's: correlated, non-negative, a spectrum that falls by five orders."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    rows = rng.standard_normal((n, dimensions)) * np.logspace(0, -2.5, dimensions) @ mixing
    return np.maximum(rows + 0.02 + 0.002 * seed, 0).astype(np.float32)


def statistics_ways() -> dict[str, Callable]:
    """Distances of two Gaussians, (mean, covariance, mean, covariance) -> value."""
    import torch
    from cleanfid.fid import frechet_distance as clean
    from pytorch_fid.fid_score import calculate_frechet_distance as pytorch
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    def fidelity(mean_1, sigma_1, mean_2, sigma_2):
        told = ({"mu": mean_1, "sigma": sigma_1}, {"mu": mean_2, "sigma": sigma_2})
        return fid_statistics_to_metric(*told, verbose=False)["frechet_inception_distance"]

    def metrics(*parts):
        return float(_compute_fid(*map(torch.from_numpy, parts)))

    ways = {OURS: frechet_distance, "torchmetrics": metrics, "torch-fidelity": fidelity}
    return ways | {"pytorch-fid": pytorch, "clean-fid": clean}


def feature_ways() -> dict[str, Callable]:
    """Distances of two sets of rows, each peer's statistics and distance."""
    import torch
    from cleanfid.fid import fid_from_feats
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance

    def pytorch(x, y):
        parts = [part for rows in (x, y) for part in (np.mean(rows, axis=0), np.cov(rows, rowvar=False))]
        return calculate_frechet_distance(*parts)

    def fidelity(x, y):
        told = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
        return fid_statistics_to_metric(*told, verbose=False)["frechet_inception_distance"]

    def metrics(x, y):
        through = torch.nn.Identity()
        through.num_features = x.shape[1]
        metric = FrechetInceptionDistance(feature=through)
        for rows, real in ((y, True), (x, False)):
            for start in range(0, len(rows), 1000):
                metric.update(torch.from_numpy(rows[start : start + 1000]), real=real)
        return float(metric.compute())

    ways = {OURS: frechet_distance_from_features, "torchmetrics": metrics, "torch-fidelity": fidelity}
    return ways | {"pytorch-fid": pytorch, "clean-fid": fid_from_feats}


def measured(ways: dict[str, Callable], arguments: tuple, rounds: int) -> dict[str, tuple[float, float, float]]:
    """name -> (least CPU seconds, least wall seconds, value); the ways take turns."""
    found: dict[str, tuple[float, float, float]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            value = float(np.real(way(*arguments)))
            spent = time.process_time() - cpu, time.perf_counter() - wall
            before = found.get(name, (np.inf, np.inf, value))
            found[name] = (min(spent[0], before[0]), min(spent[1], before[1]), value)
            print(f"{name:<15} {spent[0]:7.2f} CPU s {spent[1]:7.2f} s  {value:.12g}", flush=True)
    return found


def arguments_of(case: str, dimensions: int) -> tuple:
    n = CASES[case] if dimensions == DIMENSIONS else 4 * dimensions
    x, y = features(n, 1, dimensions), features(n, 2, dimensions)
    if case != "statistics":
        return x, y
    one, two = moments([x]), moments([y])
    return one.mean, one.covariance, two.mean, two.covariance


def as_markdown(case: str, found: dict[str, tuple[float, float, float]], rounds: int) -> str:
    """One table: best of the rounds, and the ratio of CPU times to ours."""
    ours = found[OURS]
    lines = [TITLES[case], "", MADE.format(machine=described(), rounds=rounds, day=time.strftime("%Y-%m-%d")), ""]
    lines += ["| | CPU s | wall s | CPU over evalkit's | value | from evalkit's |", "|---|--:|--:|--:|--:|--:|"]
    for name, (cpu, wall, value) in found.items():
        away = abs(value - ours[2]) / ours[2]
        lines.append(f"| {name} | {cpu:.2f} | {wall:.2f} | {cpu / ours[0]:.2f} | {value:.9f} | {away:.1e} |")
    return "\n".join(lines) + "\n"


def renewed(written: str, new: dict[str, str]) -> str:
    """The page with some of its tables in place of the old ones."""
    old = {part.split("\n", 1)[0]: part for part in written.split("\n## ")[1:]}
    return "\n## ".join([HEAD, *({**old, **new}[title] for title in TITLES.values() if title in {**old, **new})])


TITLES = {
    "statistics": "Means and covariances given",
    "10,000 rows": "From features, 10,000 rows against 10,000",
    "1,632 rows": "From features, 1,632 rows against 1,632: fewer than dimensions",
}
HEAD = """# Frechet distance, 2048 dimensions

`python -m tests.benchmarks.frechet`; one thread each, taking turns in one process; the least of the rounds. Other work
shared the machine: CPU time is the steadier one.

Why 10,000 rows differ in the eighth digit: the means of pytorch-fid, clean-fid and torch-fidelity are float32
(`numpy.mean` of float32 rows), and torchmetrics rounds its value to float32; with float64 instead (tried on 256
dimensions) they agree with evalkit's to 1e-13.
"""
MADE = "{day}, {machine}; {rounds} rounds."

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--case", choices=CASES, action="append", help="only this table; default: all")
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS, help="smaller: to see that it works")
    told = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    tables = {}
    for case in told.case or CASES:
        ways = statistics_ways() if case == "statistics" else feature_ways()
        found = measured(ways, arguments_of(case, told.dimensions), told.rounds)
        tables[TITLES[case]] = as_markdown(case, found, told.rounds)
    page = Path(__file__).with_suffix(".md")
    text = renewed(page.read_text(encoding="utf-8") if page.exists() else "", tables)
    print(text)
    if told.dimensions == DIMENSIONS:
        page.write_text(text, encoding="utf-8")
