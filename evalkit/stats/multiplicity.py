"""p-values of several tests at once: Holm for what a study set out to show, Benjamini-Hochberg for exploration."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values with family-wise error control (Holm 1979). A test without a p stays None, uncounted."""
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values with false-discovery control (Benjamini and Hochberg 1995). None stays None, uncounted."""
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: Sequence[float | None], method: str) -> tuple[float | None, ...]:
    from statsmodels.stats.multitest import multipletests

    known = [p for p in p_values if p is not None]
    if not known:
        return tuple(None for _ in p_values)
    if not all(0 <= p <= 1 for p in known):
        raise ValueError(f"p-values lie between 0 and 1, got {known}")
    adjusted = iter(multipletests(known, method=method)[1].tolist())
    return tuple(None if p is None else float(next(adjusted)) for p in p_values)
