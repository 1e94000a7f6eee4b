"""When "on par" may be said: two one-sided tests against a margin declared before the data."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from evalkit.stats.clustered import ClusteredMean, t_interval
from evalkit.stats.estimate import Estimate, SignificanceTest


@dataclass(frozen=True)
class Equivalence:
    """`equivalent` is True, False ("not shown", never "different") or None where there is no interval."""

    equivalent: bool | None
    margin: float
    estimate: Estimate
    test: SignificanceTest


def equivalence(mean: ClusteredMean, margin: float = 0.10, *, alpha: float = 0.05, largest: float = 1.0) -> Equivalence:
    """Two one-sided t tests that |d| < `margin` (Schuirmann 1987), with the clustered error of the headline.

    `largest`: the largest margin that makes sense; 1 for a net preference, infinity for scores on their own scale.

    p is the larger of the two one-sided p-values; `estimate` carries the 1 - 2 alpha interval, which lies within the
    margin exactly when p < alpha.
    """
    if not 0 < margin <= largest:
        raise ValueError(f"the margin is {margin}: a net preference needs one above 0 and at most {largest:g}")
    n, value, error, df = mean.estimate.n, mean.estimate.value, mean.standard_error, mean.degrees_of_freedom
    method = f"TOST, margin {margin:g}, {mean.test.method}"
    if value is None or error is None or df is None:
        note = mean.estimate.note
        return Equivalence(None, margin, mean.estimate, SignificanceTest(None, n, method, note=note))
    above, below = (value + margin) / error, (margin - value) / error
    p = float(stats.t.sf(min(above, below), df))
    low, high = t_interval(value, error, df, 1 - 2 * alpha)
    estimate = Estimate(value, low, high, n, method, mean.estimate.prompts, mean.estimate.raters)
    return Equivalence(p < alpha, margin, estimate, SignificanceTest(p, n, method, min(above, below), df))
