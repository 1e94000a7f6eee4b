"""How much of a gap goes with a covariate: a linear regression with errors clustered by prompt and by language."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from evalkit.stats.bias_reduced import bias_reduced
from evalkit.stats.cluster_variance import FEWEST_PROMPTS, clusters
from evalkit.stats.clustered import t_interval
from evalkit.stats.estimate import Estimate

FEWEST_LANGUAGES = 3
METHOD = "least squares, CR2 by prompt and language"


@dataclass(frozen=True)
class Regression:
    """`intercept`: what is left at covariates of zero; a slope per covariate; the share of variance (R squared)."""

    intercept: Estimate
    slopes: tuple[Estimate, ...]
    r_squared: float | None


def regress(
    outcome: npt.ArrayLike,
    covariates: npt.ArrayLike,
    prompts: npt.ArrayLike,
    languages: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Regression:
    """Ordinary least squares of `outcome` (rows,) on `covariates` (rows, k), with an intercept.

    Variance and degrees of freedom of `bias_reduced`: about ten languages are few clusters (coverage:
    tests/simulation/LANGUAGE_GAP.md): 95 % intervals undercover by up to 3 points where languages differ in spread
    (.919 at 120 prompts in 11 such languages). No interval under 8 prompts or 3 languages; no value where a covariate
    does not vary.
    An association: languages that a tokenizer cuts up are also those that a model saw least of.
    """
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(covariates, dtype=np.float64)
    design = np.column_stack([np.ones(y.size), x])
    groups = clusters(prompts, languages)
    if y.size <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return _nothing(y.size, groups.prompts, design.shape[1], "a covariate does not vary: nothing to regress on")
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ y
    residuals = y - design @ coefficients
    fit = bias_reduced(design, residuals, groups)
    enough = groups.prompts >= FEWEST_PROMPTS and groups.raters >= FEWEST_LANGUAGES
    note = None if enough else f"under {FEWEST_PROMPTS} prompts or {FEWEST_LANGUAGES} languages: no interval"
    found = [
        _estimate(float(c), float(v), float(df), y.size, groups.prompts, confidence, note)
        for c, v, df in zip(coefficients, fit.variance, fit.degrees_of_freedom, strict=True)
    ]
    total = float(((y - y.mean()) ** 2).sum())
    return Regression(found[0], tuple(found[1:]), 1 - float((residuals**2).sum()) / total if total > 0 else None)


def _estimate(
    value: float, variance: float, df: float, n: int, prompts: int, confidence: float, note: str | None
) -> Estimate:
    if note or variance <= 0:
        return Estimate(value, None, None, n, METHOD, prompts, note=note or "no variance: no interval")
    low, high = t_interval(value, sqrt(variance), df, confidence)
    return Estimate(value, low, high, n, METHOD, prompts)


def _nothing(n: int, prompts: int, columns: int, note: str) -> Regression:
    bare = Estimate(None, None, None, n, METHOD, prompts, note=note)
    return Regression(bare, tuple(bare for _ in range(columns - 1)), None)
