"""Kernel distances of two feature sets (squared maximum mean discrepancy): KID, CMMD. Unbiased: may be negative.

MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y), the means over different rows only (Gretton et al. 2012).
The error is a jackknife that deletes one prompt's images at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt

from evalkit.stats.cluster_variance import Codes, Floats
from evalkit.stats.clustered import t_interval
from evalkit.stats.estimate import Estimate

Kernel = Callable[[Floats, Floats], Floats]  # (a, d), (b, d) -> (a, b)
Rows = npt.NDArray[np.generic]  # of any number type, a memory map perhaps
FEWEST_PROMPTS = 20  # simulated coverage .94 and more from here on: tests/simulation/RESULTS.md
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class _Sums:
    """Kernel sums of a pair of sets: of all, and with `count` pairs of rows the part that each prompt takes away."""

    total: float
    count: float
    lost: Floats  # (prompts,)
    lost_count: Floats  # (prompts,)


def kid(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    x_prompts: npt.ArrayLike,
    y_prompts: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Kernel Inception distance (Binkowski et al. 2018): kernel (x.y/d + 1)^3, all rows, the full U-statistic."""
    return squared_mmd(x, y, x_prompts, y_prompts, polynomial_kernel, name="KID", confidence=confidence)


def polynomial_kernel(x: Floats, y: Floats) -> Floats:
    """(x.y/d + 1)^3."""
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def gaussian_kernel(sigma: float) -> Kernel:
    """exp(-|x - y|^2/(2 sigma^2)); CMMD takes sigma 10 on unit CLIP embeddings, times 1000 (Jayasumana 2024)."""

    def kernel(x: Floats, y: Floats) -> Floats:
        squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * x @ y.T
        return np.asarray(np.exp(-np.maximum(squares, 0) / (2 * sigma**2)))

    return kernel


def squared_mmd(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    x_prompts: npt.ArrayLike,
    y_prompts: npt.ArrayLike,
    kernel: Kernel,
    *,
    name: str,
    scale: float = 1.0,
    confidence: float = 0.95,
) -> Estimate:
    """Unbiased squared MMD of the rows of `x` (n, d) and `y` (m, d), times `scale`, with a prompt-block jackknife.

    Prompts that both sets share are deleted from both at once; t interval, df one under the prompts of the
    smaller set. Between two equal populations the statistic is not normal and the interval is rough. Under 20 prompts
    there is none; in a handful of dimensions the cubic kernel is so skewed that it covers 90 % only.
    """
    rows_x, rows_y = _rows(x, x_prompts), _rows(y, y_prompts)
    method = f"{name}, unbiased, prompt-block jackknife"
    if min(len(rows_x), len(rows_y)) < 2:
        note = f"{len(rows_x)} and {len(rows_y)} rows: two or more of each are needed"
        return Estimate(None, None, None, len(rows_x), method, note=note)
    code_x, code_y = _shared_codes(x_prompts, y_prompts)
    labels = int(max(code_x.max(), code_y.max())) + 1
    own_x = _sums(kernel, rows_x, rows_x, code_x, code_x, labels, same=True)
    own_y = _sums(kernel, rows_y, rows_y, code_y, code_y, labels, same=True)
    cross = _sums(kernel, rows_x, rows_y, code_x, code_y, labels, same=False)
    value = _mean(own_x) + _mean(own_y) - 2 * _mean(cross)
    without = _means_without(own_x) + _means_without(own_y) - 2 * _means_without(cross)
    prompts = min(np.unique(code_x).size, np.unique(code_y).size)
    return _jackknifed(scale * value, scale * without, len(rows_x), prompts, method, confidence)


def squared_mmd_difference(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    reference: npt.ArrayLike,
    x_prompts: npt.ArrayLike,
    y_prompts: npt.ArrayLike,
    reference_prompts: npt.ArrayLike,
    kernel: Kernel,
    *,
    name: str,
    scale: float = 1.0,
    confidence: float = 0.95,
) -> Estimate:
    """Squared MMD of `x` to `reference` minus that of `y`, times `scale`; a prompt is deleted from all three at once.

    The reference's own term is the same in both and is left out. t interval, df one under the prompts of the smaller
    of `x` and `y`.
    """
    one, two, base = _rows(x, x_prompts), _rows(y, y_prompts), _rows(reference, reference_prompts)
    method = f"{name}, unbiased, prompt-block jackknife, difference"
    if min(len(one), len(two), len(base)) < 2:
        note = f"{len(one)}, {len(two)} and {len(base)} rows: two or more of each are needed"
        return Estimate(None, None, None, len(one), method, note=note)
    code_x, code_y, code_r = _shared_codes(x_prompts, y_prompts, reference_prompts)
    labels = int(max(code_x.max(), code_y.max(), code_r.max())) + 1
    own_x = _sums(kernel, one, one, code_x, code_x, labels, same=True)
    own_y = _sums(kernel, two, two, code_y, code_y, labels, same=True)
    cross_x = _sums(kernel, one, base, code_x, code_r, labels, same=False)
    cross_y = _sums(kernel, two, base, code_y, code_r, labels, same=False)
    value = _mean(own_x) - _mean(own_y) - 2 * (_mean(cross_x) - _mean(cross_y))
    without = _means_without(own_x) - _means_without(own_y) - 2 * (_means_without(cross_x) - _means_without(cross_y))
    prompts = min(np.unique(code_x).size, np.unique(code_y).size)
    return _jackknifed(scale * value, scale * without, len(one), prompts, method, confidence)


def squared_mmd_v_statistic(x: npt.ArrayLike, y: npt.ArrayLike, kernel: Kernel) -> float:
    """The biased V-statistic of public CMMD code: means over all pairs, each row with itself included; never negative.

    Between two sets of n and m rows of one population it reads (1/n + 1/m) (k(x, x) - mean k) on average, not 0.
    """
    rows_x, rows_y = (_rows(rows, np.arange(len(np.asarray(rows)))) for rows in (x, y))
    if not (len(rows_x) and len(rows_y)):
        raise ValueError(f"{len(rows_x)} and {len(rows_y)} rows: one or more of each are needed")
    return (
        _whole_mean(kernel, rows_x, rows_x)
        + _whole_mean(kernel, rows_y, rows_y)
        - 2 * _whole_mean(kernel, rows_x, rows_y)
    )


def _whole_mean(kernel: Kernel, x: Rows, y: Rows) -> float:
    total = sum(float(kernel(_exact(x[a]), _exact(y[b])).sum()) for a in _parts(x) for b in _parts(y))
    return total / (len(x) * len(y))


def _shared_codes(*prompts: npt.ArrayLike) -> list[Codes]:
    """Labels as numbers from 0, the same number for the same label in every set."""
    sets = [np.asarray(labels) for labels in prompts]
    code = np.unique(np.concatenate(sets), return_inverse=True)[1]
    return np.split(code, np.cumsum([labels.size for labels in sets])[:-1])


def _jackknifed(value: float, without: Floats, n: int, prompts: int, method: str, confidence: float) -> Estimate:
    """The value with its jackknife interval; `without`: the statistic without each prompt."""
    bare = Estimate(value, None, None, n, method, prompts)
    if prompts < FEWEST_PROMPTS:
        return replace(bare, note=f"under {FEWEST_PROMPTS} prompts: no interval")
    error = sqrt((without.size - 1) * float(without.var()))
    low, high = t_interval(value, error, prompts - 1, confidence)
    return replace(bare, low=low, high=high)


def _mean(sums: _Sums) -> float:
    return sums.total / sums.count


def _means_without(sums: _Sums) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):  # all rows from one prompt: NaN, and no interval is made of it
        return np.asarray((sums.total - sums.lost) / (sums.count - sums.lost_count))


def _sums(kernel: Kernel, x: Rows, y: Rows, code_x: Codes, code_y: Codes, prompts: int, *, same: bool) -> _Sums:
    """Sums of k over pairs of different rows, some rows of each at a time: both may lie on disk."""
    by_row, by_column, within = np.zeros(len(x)), np.zeros(len(y)), np.zeros(len(x))
    for a, b in ((a, b) for a in _parts(x) for b in _parts(y)):
        block = kernel(_exact(x[a]), _exact(y[b]))
        if same and a == b:
            np.fill_diagonal(block, 0)
        by_row[a] += block.sum(axis=1)
        within[a] += (block * (code_x[a, None] == code_y[b])).sum(axis=1)
        by_column[b] += block.sum(axis=0)
    own, other = (np.bincount(code, minlength=prompts).astype(np.float64) for code in (code_x, code_y))
    lost = np.bincount(code_x, by_row - within, prompts) + np.bincount(code_y, by_column, prompts)
    pairs = own * len(y) + other * len(x) - own * other - (own if same else 0)
    return _Sums(float(by_row.sum()), len(x) * (len(y) - same), np.asarray(lost, dtype=np.float64), pairs)


def _parts(rows: Rows) -> list[slice]:
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(rows), _ROWS_AT_ONCE)]


def _exact(rows: Rows) -> Floats:
    return np.asarray(rows, dtype=np.float64)


def _rows(features: npt.ArrayLike, prompts: npt.ArrayLike) -> Rows:
    rows = np.asanyarray(features)
    if rows.ndim != 2 or np.asarray(prompts).shape != rows.shape[:1]:
        raise ValueError(f"features {rows.shape} and prompts {np.asarray(prompts).shape}: (rows, d) and (rows,)")
    if not all(np.isfinite(rows[part]).all() for part in _parts(rows)):
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return rows
