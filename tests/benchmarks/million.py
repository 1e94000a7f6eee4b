"""The Frechet distance of a million cached feature rows: memory that is allocated, and time, as the rows grow.

    env OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.million --write

Rows lie in a feature cache (.npz of float32, memory-mapped); allocated memory is what Python and numpy ask for at most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from evalkit.extractors._mapped import mapped, write_mapped
from evalkit.stats.frechet import frechet_distance_from_features
from tests.benchmarks.machine import described

SIZES = (10_000, 100_000, 1_000_000)
DIMENSIONS = 512


def stored_rows(path: Path, count: int) -> np.ndarray:
    blocks = (
        np.random.default_rng(start).standard_normal((10_000, DIMENSIONS), np.float32)
        for start in range(0, count, 10_000)
    )
    write_mapped(path, {"extractor": np.array("none")}, "features", blocks, (count, DIMENSIONS))
    return mapped(path, "features")


def measured(rows: np.ndarray, reference: np.ndarray) -> tuple[float, float, float]:
    """CPU seconds, peak of allocated MB, value."""
    tracemalloc.start()
    start = time.process_time()
    value = frechet_distance_from_features(rows, reference)
    spent, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return spent, peak / 1e6, value


def main() -> str:
    lines = [HEAD.format(machine=described(), dimensions=DIMENSIONS)]
    with tempfile.TemporaryDirectory() as folder:
        rows = stored_rows(Path(folder) / "rows.npz", max(SIZES))
        for size in SIZES:
            spent, peak, value = measured(rows[:size], rows[:10_000])
            lines.append(f"| {size:,} | {size * DIMENSIONS * 4 / 1e6:,.0f} | {peak:.0f} | {spent:.1f} | {value:.4f} |")
    return "\n".join(lines) + "\n"


HEAD = """# Frechet distance of many rows, {dimensions} dimensions

`python -m tests.benchmarks.million`; {machine}; one thread.
Against the first 10,000 rows, of the same population.

| rows | MB as stored | MB allocated at the peak | CPU s | value |
|--:|--:|--:|--:|--:|"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write million.md")
    asked = parser.parse_args()
    text = main()
    print(text)
    if asked.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
