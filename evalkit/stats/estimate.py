"""The one shape of a number and the one shape of a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, its size and its method; `note` says why a value or an interval is absent.

    `n` counts observations (votes, images); `prompts` and `raters` count the clusters they came in. A bound that is
    None is not available: both None is no interval, one None is a one-sided interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    prompts: int | None = None
    raters: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class SignificanceTest:
    """A two-sided test (one-sided where `method` says so): its p-value, or None and a `note` that says why not."""

    p: float | None
    n: int
    method: str
    statistic: float | None = None
    degrees_of_freedom: float | None = None
    note: str | None = None
