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

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Codes, Floats
from evalkit.stats.clustered import t_interval
from evalkit.stats.estimate import Estimate

Kernel = Callable[[Floats, Floats], Floats]  # (a, d), (b, d) -> (a, b)
_ROWS_AT_ONCE = 2048
_Mean = tuple[float | Floats, float | Floats]  # a sum and the number of its terms


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
    smaller set. Between two equal populations the statistic is not normal and the interval is rough.
    """
    rows_x, rows_y = _rows(x, x_prompts), _rows(y, y_prompts)
    method = f"{name}, unbiased, prompt-block jackknife"
    if min(len(rows_x), len(rows_y)) < 2:
        note = f"{len(rows_x)} and {len(rows_y)} rows: two or more of each are needed"
        return Estimate(None, None, None, len(rows_x), method, note=note)
    code = np.unique(np.concatenate([np.asarray(x_prompts), np.asarray(y_prompts)]), return_inverse=True)[1]
    code_x, code_y = code[: len(rows_x)], code[len(rows_x) :]
    labels = int(code.max()) + 1
    prompts = min(np.unique(code_x).size, np.unique(code_y).size)
    sums = (
        _sums(kernel, rows_x, rows_x, code_x, code_x, labels, same=True),
        _sums(kernel, rows_y, rows_y, code_y, code_y, labels, same=True),
        _sums(kernel, rows_x, rows_y, code_x, code_y, labels, same=False),
    )
    value = scale * float(_statistic(*((s.total, s.count) for s in sums)))
    bare = Estimate(value, None, None, len(rows_x), method, prompts)
    if prompts < FEWEST_PROMPTS:
        return replace(bare, note=f"under {FEWEST_PROMPTS} prompts: no interval")
    without = scale * _statistic(*((s.total - s.lost, s.count - s.lost_count) for s in sums))
    error = sqrt((without.size - 1) * float(without.var()))
    low, high = t_interval(value, error, prompts - 1, confidence)
    return replace(bare, low=low, high=high)


def _statistic(own_x: _Mean, own_y: _Mean, cross: _Mean) -> Floats:
    return np.asarray(own_x[0] / own_x[1] + own_y[0] / own_y[1] - 2 * cross[0] / cross[1])


def _sums(kernel: Kernel, x: Floats, y: Floats, code_x: Codes, code_y: Codes, prompts: int, *, same: bool) -> _Sums:
    """Sums of k over pairs of different rows, `_ROWS_AT_ONCE` rows of `x` at a time."""
    by_row, by_column, within = np.zeros(len(x)), np.zeros(len(y)), np.zeros(len(x))
    for start in range(0, len(x), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        block = kernel(x[part], y)
        if same:
            np.fill_diagonal(block[:, start:], 0)
        by_row[part], within[part] = block.sum(axis=1), (block * (code_x[part, None] == code_y)).sum(axis=1)
        by_column += block.sum(axis=0)
    own, other = (np.bincount(code, minlength=prompts).astype(np.float64) for code in (code_x, code_y))
    lost = np.bincount(code_x, by_row - within, prompts) + np.bincount(code_y, by_column, prompts).astype(np.float64)
    pairs = own * len(y) + other * len(x) - own * other - (own if same else 0)
    return _Sums(float(by_row.sum()), len(x) * (len(y) - same), lost, pairs)


def _rows(features: npt.ArrayLike, prompts: npt.ArrayLike) -> Floats:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or np.asarray(prompts).shape != rows.shape[:1]:
        raise ValueError(f"features {rows.shape} and prompts {np.asarray(prompts).shape}: (rows, d) and (rows,)")
    if not np.isfinite(rows).all():
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return rows
