"""Three or more systems: Bradley-Terry or Davidson strengths, their clustered intervals and the ranks they allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from evalkit.stats.cluster_variance import FEWEST_PROMPTS, Clusters, Codes, Floats, cluster_variance, clusters
from evalkit.stats.estimate import Estimate
from evalkit.stats.multiplicity import holm
from evalkit.stats.pair_likelihood import PairFit, fit_pairs


@dataclass(frozen=True)
class Strength:
    """Log-strength of one system against the mean of all (0), and the best and worst rank not ruled out."""

    system: str
    estimate: Estimate
    best_rank: int | None
    worst_rank: int | None


@dataclass(frozen=True)
class Contrast:
    """Log-ratio of `first` over `second` and its Holm-adjusted p among all pairs."""

    first: str
    second: str
    estimate: Estimate
    adjusted_p: float | None


@dataclass(frozen=True)
class Ranking:
    """All strengths (best first) and pairs; empty with a `note` where no finite estimate exists."""

    strengths: tuple[Strength, ...]
    contrasts: tuple[Contrast, ...]
    tie_parameter: float | None
    method: str
    note: str | None = None


def connected(first: npt.ArrayLike, second: npt.ArrayLike, outcomes: npt.ArrayLike, systems: int) -> bool:
    """Whether every system beat every other along some chain of wins (Zermelo 1929; Ford 1957).

    If not, no finite strengths exist. Ties do not connect: with them alone Davidson's nu is infinite.
    """
    first, second, won = np.asarray(first), np.asarray(second), np.asarray(outcomes)
    decisive = won != 0
    winner = np.where(won > 0, first, second)[decisive]
    loser = np.where(won > 0, second, first)[decisive]
    graph = sparse.csr_array((np.ones(winner.size), (winner, loser)), shape=(systems, systems))
    return int(sparse.csgraph.connected_components(graph, directed=True, connection="strong")[0]) == 1


def rank_systems(
    first: Sequence[str],
    second: Sequence[str],
    outcomes: npt.ArrayLike,
    prompts: npt.ArrayLike,
    raters: npt.ArrayLike | None,
    *,
    ties: bool = True,
    confidence: float = 0.95,
) -> Ranking:
    """Maximum-likelihood strengths from votes: outcome 1 (`first` won), -1 (`second` won) or 0 (tie).

    `ties=True` is Davidson (1970), `ties=False` drops ties: Bradley-Terry. "Neither" must be left out by the caller.
    Errors are sandwich errors with the prompt x rater clusters of the headline. Rank ranges count the systems that
    are better, or worse, by a Holm-adjusted pairwise test.
    """
    method = ("Davidson" if ties else "Bradley-Terry") + ", prompt x rater sandwich"
    outcome = np.asarray(outcomes, dtype=np.int64)
    kept = np.ones(outcome.size, dtype=bool) if ties else outcome != 0
    names, pair = _systems(first, second, kept)
    if len(names) < 2 or not connected(pair[0], pair[1], outcome[kept], len(names)):
        note = "no finite strengths: some systems never beat the others, directly or through a chain of wins"
        return Ranking((), (), None, method, note)
    groups = clusters(np.asarray(prompts)[kept], None if raters is None else np.asarray(raters)[kept])
    fit = fit_pairs(pair[0], pair[1], outcome[kept], len(names))
    contrasts = _contrasts(names, fit, groups, method, confidence)
    strengths = _strengths(names, fit, pair, groups, method, contrasts, confidence)
    return Ranking(strengths, contrasts, fit.tie_parameter, method)


def _systems(first: Sequence[str], second: Sequence[str], kept: npt.NDArray[np.bool_]) -> tuple[list[str], Codes]:
    """Sorted names and codes, shape (2, votes)."""
    names, codes = np.unique(np.stack([np.asarray(first)[kept], np.asarray(second)[kept]]), return_inverse=True)
    return [str(name) for name in names], codes.reshape(2, -1)


def _contrasts(
    names: list[str], fit: PairFit, groups: Clusters, method: str, confidence: float
) -> tuple[Contrast, ...]:
    pairs = list(combinations(range(len(names)), 2))
    left, right = [i for i, _ in pairs], [j for _, j in pairs]
    values = fit.log_strengths[left] - fit.log_strengths[right]
    sizes = [groups.prompt.size] * len(pairs)
    estimates, p_values = _intervals(
        values, fit.influence[left] - fit.influence[right], sizes, groups, method, confidence
    )
    adjusted = holm(p_values)
    return tuple(
        Contrast(names[i], names[j], estimate, p)
        for (i, j), estimate, p in zip(pairs, estimates, adjusted, strict=True)
    )


def _strengths(
    names: list[str],
    fit: PairFit,
    pair: Codes,
    groups: Clusters,
    method: str,
    contrasts: tuple[Contrast, ...],
    confidence: float,
) -> tuple[Strength, ...]:
    sizes = [int((pair == system).sum()) for system in range(len(names))]
    estimates, _ = _intervals(fit.log_strengths, fit.influence, sizes, groups, method, confidence)
    order = np.argsort(-fit.log_strengths, kind="stable")
    return tuple(_ranked(names[i], estimates[i], contrasts, len(names), 1 - confidence) for i in order)


def _ranked(name: str, estimate: Estimate, contrasts: tuple[Contrast, ...], systems: int, alpha: float) -> Strength:
    own = [contrast for contrast in contrasts if name in (contrast.first, contrast.second)]
    if any(contrast.adjusted_p is None for contrast in own):
        return Strength(name, estimate, None, None)
    clear = [contrast for contrast in own if contrast.adjusted_p is not None and contrast.adjusted_p < alpha]
    wins = sum(((contrast.estimate.value or 0) > 0) == (contrast.first == name) for contrast in clear)
    return Strength(name, estimate, 1 + len(clear) - wins, systems - wins)


def _intervals(
    values: Floats, influence: Floats, sizes: list[int], groups: Clusters, method: str, confidence: float
) -> tuple[list[Estimate], list[float | None]]:
    known = (groups.prompts, groups.raters or None)
    fit = cluster_variance(influence, groups)
    seen = fit.variance > 1e-12 * (influence**2).sum(axis=1)
    if groups.prompts < FEWEST_PROMPTS or not seen.all():
        few = f"under {FEWEST_PROMPTS} prompts: no interval and no test"
        note = few if groups.prompts < FEWEST_PROMPTS else "the clusters do not differ: no interval from a variance"
        bare = [Estimate(float(v), None, None, n, method, *known, note) for v, n in zip(values, sizes, strict=True)]
        return bare, [None] * len(bare)
    errors, df = np.sqrt(fit.variance), fit.degrees_of_freedom
    half = stats.t.isf((1 - confidence) / 2, df) * errors
    estimates = [
        Estimate(float(v), float(v - h), float(v + h), n, method, *known)
        for v, h, n in zip(values, half, sizes, strict=True)
    ]
    return estimates, [float(p) for p in 2 * stats.t.sf(np.abs(values) / errors, df)]
