"""Variance of a sum whose terms share prompts and raters: the one engine under every clustered interval.

The terms are the influence of each vote on an estimate ((value - mean)/n for a mean); they add up to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

FEWEST_PROMPTS = 8
FEWEST_RATERS = 3
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Scope = Literal["new prompts and new raters", "these raters only", "this rater only", "new prompts"]


@dataclass(frozen=True)
class Clusters:
    """Which prompt and which rater each vote belongs to, as codes 0..k-1; `cell` is prompt x rater.

    `raters` is 0 where the values are not votes (scores of images).
    """

    prompt: Codes
    rater: Codes
    cell: Codes
    prompts: int
    raters: int
    cells: int

    @property
    def scope(self) -> Scope:
        """What an interval may speak of: two raters or fewer say nothing about new raters."""
        if self.raters >= FEWEST_RATERS:
            return "new prompts and new raters"
        few: tuple[Scope, Scope, Scope] = ("new prompts", "this rater only", "these raters only")
        return few[self.raters]


@dataclass(frozen=True)
class ClusterVariance:
    """Variance and degrees of freedom of each row of influences (arrays of shape (rows,))."""

    variance: Floats
    degrees_of_freedom: Floats


def clusters(prompts: npt.ArrayLike, raters: npt.ArrayLike | None) -> Clusters:
    """Code any labels of prompts and raters, one per vote; `raters=None` where the values are not votes."""
    prompt = _codes(prompts)
    rater = np.zeros_like(prompt) if raters is None else _codes(raters)
    if prompt.shape != rater.shape:
        raise ValueError(f"{prompt.size} prompt labels and {rater.size} rater labels: one of each per vote")
    n_raters = 0 if raters is None else _count(rater)
    cell = _codes(prompt * max(n_raters, 1) + rater)
    return Clusters(prompt, rater, cell, _count(prompt), n_raters, _count(cell))


def cluster_variance(influence: npt.ArrayLike, groups: Clusters) -> ClusterVariance:
    """Two-way cluster-robust variance of the sum of each row of `influence` (shape (votes,) or (rows, votes)).

    V = max(Vp, Vr, Vp + Vr - Vpr), each with the factor G/(G-1) of its own clusters (Cameron, Gelbach and Miller
    2011), and Satterthwaite degrees of freedom as in the crossed quasi-F (Clark 1973), never under min(P, R) - 1;
    where one way alone is the largest, its own G - 1. Two raters or fewer: prompts alone, G - 1.
    """
    rows = np.atleast_2d(np.asarray(influence, dtype=np.float64))
    by_prompt = _one_way(rows, groups.prompt, groups.prompts)
    if groups.raters < FEWEST_RATERS:
        return ClusterVariance(by_prompt, np.full(len(rows), float(groups.prompts - 1)))
    by_rater = _one_way(rows, groups.rater, groups.raters)
    by_cell = _one_way(rows, groups.cell, groups.cells)
    return _two_way(by_prompt, by_rater, by_cell, groups)


def _two_way(by_prompt: Floats, by_rater: Floats, by_cell: Floats, groups: Clusters) -> ClusterVariance:
    prompts, raters = groups.prompts, groups.raters
    both = by_prompt + by_rater - by_cell
    largest = np.maximum(np.maximum(by_prompt, by_rater), both)
    cell_df = max(groups.cells - prompts - raters + 1, 1)
    spread = by_prompt**2 / (prompts - 1) + by_rater**2 / (raters - 1) + by_cell**2 / cell_df
    satterthwaite = np.divide(both**2, spread, out=np.zeros_like(both), where=spread > 0)
    floored = np.maximum(satterthwaite, min(prompts, raters) - 1)
    one_way = np.where(largest == by_prompt, prompts - 1.0, raters - 1.0)
    return ClusterVariance(largest, np.where(largest == both, floored, one_way))


def _one_way(rows: Floats, code: Codes, count: int) -> Floats:
    """G/(G-1) times the sum of squared cluster sums, per row."""
    if count < 2:
        return np.zeros(len(rows))
    member = sparse.csr_array((np.ones(code.size), (np.arange(code.size), code)), shape=(code.size, count))
    sums: Floats = rows @ member
    return np.asarray(count / (count - 1) * (sums**2).sum(axis=1), dtype=np.float64)


def _count(code: Codes) -> int:
    return int(code.max(initial=-1)) + 1


def _codes(labels: npt.ArrayLike) -> Codes:
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"labels have {array.ndim} dimensions, one label per vote is needed")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError("a label is missing (NaN): every vote needs a prompt and a rater")
    return np.unique(array, return_inverse=True)[1].astype(np.intp)
