"""Simulated studies with known truth: does the headline cover it, and what does the naive test do beside it?

`python tests/simulation/headline.py` writes RESULTS.md. Everything is vectorised: the planner's own code runs each row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from pathlib import Path

import numpy as np
from scipy import stats

from evalkit.stats.bradley_terry import clustered_log_ratio
from evalkit.stats.clustered import clustered_share
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import frechet_distance
from evalkit.stats.frechet_interval import frechet_jackknife
from evalkit.stats.kernel import kid
from evalkit.stats.planning import Design, Effects, SimulatedVotes, headline_rows, simulate_votes
from evalkit.stats.proportion import wilson

RUNS = 4000
RESULTS = Path(__file__).with_name("RESULTS.md")
DESIGNS = {
    "10 x 3 x 10": Design(10, 10, 10, images=3),
    "30 x 3 x 5": Design(30, 5, 5, images=3),
    "90 x 1 x 5": Design(90, 5, 5),
    "540 x 1 x 1 over 20": Design(540, 20, 1),
    "60 x 1 x 3 over 12, incomplete": Design(60, 12, 3),
    "30 x 1 x 8, drop-out to 80 %": Design(30, 8, 8, completion=0.8),
    "30 x 1 x 3": Design(30, 3, 3),
}
CLUSTERS = [(prompt, image) for prompt, image in ((0.0, 0.0), (0.8, 0.4), (2.0, 0.4))]
RATERS = (0.0, 0.3, 0.7)
PREFERENCE = 0.6
KID_CASES = ((20, 1.0), (20, 1.1), (50, 1.1), (200, 1.1), (50, 1.3), (200, 1.3))


@dataclass(frozen=True)
class Row:
    """One design under one set of effects: shares of `RUNS` studies, and the mean half-width over the oracle's."""

    design: str
    raters: int
    effects: Effects
    null_rejected: float
    coverage: float
    width: float
    by_prompt_rejected: float
    naive_rejected: float
    power: float

    @property
    def clustered(self) -> bool:
        return self.effects.prompt_sd > 0 or self.effects.rater_sd > 0


def headline_table(runs: int = RUNS, seed: int = 20260101) -> list[Row]:
    """Every design under every set of effects."""
    seeds = np.random.SeedSequence(seed).spawn(len(DESIGNS) * len(CLUSTERS) * len(RATERS))
    cases = [(name, prompt, image, rater) for name in DESIGNS for prompt, image in CLUSTERS for rater in RATERS]
    return [
        _row(name, Effects(0.0, prompt, image, rater), runs, np.random.default_rng(own))
        for (name, prompt, image, rater), own in zip(cases, seeds, strict=True)
    ]


def _row(name: str, effects: Effects, runs: int, rng: np.random.Generator) -> Row:
    design, shifted = DESIGNS[name], replace(effects, preference=PREFERENCE)
    null, real = simulate_votes(design, effects, runs, rng), simulate_votes(design, shifted, runs, rng)
    under_null, under_real = headline_rows(null), headline_rows(real)
    by_prompt = headline_rows(SimulatedVotes(null.values, null.prompts, np.zeros_like(null.raters)))
    covered = np.abs(under_real.values - shifted.net_preference) <= under_real.half_widths
    oracle = stats.norm.isf(0.025) * under_real.values.std()
    return Row(
        design=name,
        raters=design.raters,
        effects=effects,
        null_rejected=float((under_null.p_values < 0.05).mean()),
        coverage=float(covered.mean()),
        width=float(np.nanmean(under_real.half_widths)) / float(oracle),
        by_prompt_rejected=float((by_prompt.p_values < 0.05).mean()),
        naive_rejected=float((naive_p(null.values) < 0.05).mean()),
        power=float((under_real.p_values < 0.05).mean()),
    )


def naive_p(values: np.ndarray) -> np.ndarray:
    """The exact sign test of every run at once: the planted twin, which takes votes as independent."""
    wins, losses = (values > 0).sum(axis=1), (values < 0).sum(axis=1)
    return np.minimum(1, 2 * stats.binom.cdf(np.minimum(wins, losses), wins + losses, 0.5))


@dataclass(frozen=True)
class ShareRow:
    """Coverage over `runs` studies of the share of wins (Wilson on n/deff) and of ln(W/L), and of the naive Wilson."""

    design: str
    effects: Effects
    runs: int
    share: float
    log_ratio: float
    naive_share: float


def share_table(runs: int = 500, seed: int = 11) -> list[ShareRow]:
    """The first five designs, one study at a time: with few clusters and with strong ones."""
    rng = np.random.default_rng(seed)
    effects = [Effects(PREFERENCE, 0.0, 0.0, 0.0), Effects(PREFERENCE), Effects(PREFERENCE, rater_sd=0.7), Effects(2.0)]
    return [_share_row(name, own, runs, rng) for name in list(DESIGNS)[:5] for own in effects]


def _share_row(name: str, effects: Effects, runs: int, rng: np.random.Generator) -> ShareRow:
    win = (1 - effects.tie_share + effects.net_preference) / 2
    true_log_ratio = log(win / (1 - effects.tie_share - win))
    study = simulate_votes(DESIGNS[name], effects, runs, rng)
    shares = [clustered_share(values > 0, study.prompts, study.raters) for values in study.values]
    ratios = [clustered_log_ratio(values, study.prompts, study.raters) for values in study.values]
    naive = [wilson(int((values > 0).sum()), values.size) for values in study.values]
    covered = [_covered(shares, win), _covered(ratios, true_log_ratio), _covered(naive, win)]
    return ShareRow(name, effects, runs, *covered)


def _covered(estimates: list[Estimate], truth: float) -> float:
    """A bound that is None is open."""
    inside = [(e.low is None or e.low <= truth) and (e.high is None or truth <= e.high) for e in estimates]
    return float(np.mean(inside))


@dataclass(frozen=True)
class DistanceRow:
    """Coverage of a distance's interval over `runs` pairs of sets, and the mean error of its value over the truth's."""

    name: str
    rows: int
    dimensions: int
    truth: float
    runs: int
    coverage: float
    mean_error: float


def distance_table(runs: int = 400, seed: int = 7) -> list[DistanceRow]:
    """Frechet jackknife at N = 2d, 4d and 10d (20 at least), KID at 20 to 200 prompts; equal and other populations."""
    rng = np.random.default_rng(seed)
    frechet = [
        _frechet(n, d, shift, runs, rng) for d in (8, 32) for n in (2 * d, 4 * d, 10 * d) for shift in (0.0, 0.5)
    ]
    return frechet + _kid_rows(runs, rng)


def _frechet(n: int, d: int, shift: float, runs: int, rng: np.random.Generator) -> DistanceRow:
    n = max(n, 20)
    groups, scale = np.arange(n) % 20, np.linspace(1, 1 + shift, d)
    truth = frechet_distance(np.zeros(d), np.eye(d), np.full(d, shift), np.diag(scale**2))
    fits = [
        frechet_jackknife(
            rng.standard_normal((n, d)), rng.standard_normal((n, d)) * scale + shift, groups, groups
        ).corrected
        for _ in range(runs)
    ]
    return _distance_row("Frechet, jackknife", n, d, truth, fits)


def _kid_rows(runs: int, rng: np.random.Generator) -> list[DistanceRow]:
    """Features with normal and with exponential coordinates (skewed, never negative), and three dimensions to warn."""
    cases = [(name, n, scale) for name in ("normal", "skewed") for n, scale in KID_CASES]
    warning = [("skewed", n, 1.3) for n in (20, 50, 200)]
    return [_kid(name, n, 64, scale, runs, rng) for name, n, scale in cases] + [
        _kid(name, n, 3, scale, runs, rng) for name, n, scale in warning
    ]


def _kid(name: str, n: int, d: int, scale: float, runs: int, rng: np.random.Generator) -> DistanceRow:
    draw = rng.standard_exponential if name == "skewed" else lambda size: 1 + rng.standard_normal(size)
    raw_moments = (1, 2, 6) if name == "skewed" else (1, 2, 4)
    prompts, truth = np.arange(n), population_kid(d, raw_moments, scale)
    fits = [kid(draw((n, d)), scale * draw((n, d)), prompts, prompts + n) for _ in range(runs)]
    return _distance_row(f"KID, {name}", n, d, truth, fits)


def population_kid(d: int, raw_moments: tuple[float, float, float], scale: float) -> float:
    """KID of d independent coordinates with these E x, E x^2, E x^3, and of the same times `scale`; exact."""

    def mean_kernel(factor: float) -> float:
        first, second, third = (factor**k * moment**2 / d**k for k, moment in enumerate(raw_moments, 1))
        sum_2 = d * second + d * (d - 1) * first**2
        sum_3 = d * third + 3 * d * (d - 1) * second * first + d * (d - 1) * (d - 2) * first**3
        return 1 + 3 * d * first + 3 * sum_2 + sum_3

    return mean_kernel(1.0) + mean_kernel(scale**2) - 2 * mean_kernel(scale)


def _distance_row(name: str, n: int, d: int, truth: float, fits: list) -> DistanceRow:
    covered = np.mean([fit.low <= truth <= fit.high for fit in fits])
    error = np.mean([fit.value for fit in fits]) - truth
    return DistanceRow(name, n, d, truth, len(fits), float(covered), float(error))


def monte_carlo_error(share: float, runs: int) -> float:
    """Standard error of a simulated share."""
    return sqrt(share * (1 - share) / runs)


def as_markdown(rows: list[Row], shares: list[ShareRow], distances: list[DistanceRow]) -> str:
    """The committed table."""
    head = HEADLINE_TEXT.format(
        runs=RUNS, logit=PREFERENCE, low=monte_carlo_error(0.05, RUNS), mid=monte_carlo_error(0.5, RUNS)
    )
    runs = shares[0].runs
    middle = SHARE_TEXT.format(runs=runs, error=monte_carlo_error(0.95, runs)) + "".join(map(_share_line, shares))
    runs = distances[0].runs
    tail = DISTANCE_TEXT.format(runs=runs, error=monte_carlo_error(0.95, runs)) + "".join(
        map(_distance_line, distances)
    )
    return head + "".join(map(_line, rows)) + middle + tail


def _line(row: Row) -> str:
    effects = _effects(row.effects)
    kept = f"{row.null_rejected:.3f} | {row.coverage:.3f} | {row.width:.2f} | {row.power:.2f}"
    return f"| {row.design} | {effects} | {kept} | {row.by_prompt_rejected:.3f} | {row.naive_rejected:.3f} |\n"


def _share_line(row: ShareRow) -> str:
    shares = f"{row.share:.3f} | {row.log_ratio:.3f} | {row.naive_share:.3f}"
    return f"| {row.design} | {row.effects.preference:g} | {_effects(row.effects)} | {shares} |\n"


def _effects(effects: Effects) -> str:
    return f"{effects.prompt_sd:g} / {effects.image_sd:g} / {effects.rater_sd:g}"


def _distance_line(row: DistanceRow) -> str:
    sizes = f"{row.rows} | {row.dimensions} | {row.truth:.3f}"
    return f"| {row.name} | {sizes} | {row.coverage:.3f} | {row.mean_error:+.3f} |\n"


HEADLINE_TEXT = """# Simulated operating characteristics

Written by `python tests/simulation/headline.py`; held to its targets by `pytest tests/simulation -m slow`.

## The headline: net preference d, prompt x rater clustered t

{runs} studies a row, ties .28. Sizes are prompts x images x votes per pair. Effects are standard deviations on the
logit of a decisive vote: prompt / image / rater. Null: no preference, tests at 5 %. Coverage, width and power: a
preference of {logit} on the logit. Width: mean half-width over that of an oracle who knows the standard error.
Monte-Carlo standard error: {low:.4f} at .05, {mid:.4f} at .50.

Targets: null rejected at most .07; coverage at least .93 (three raters: .92); width at most 1.25 with clusters and six
raters or more, 1.6 else. With five raters and little but raters to vary, a t of four degrees of freedom is a third
wider than the oracle; three raters cost up to 1.9.

The last two columns are what not to print, under the null: a t test over prompts ignores raters, the sign test both.

| design | effects | null rejected | coverage | width | power | prompt t, rejected | sign test, rejected |
|---|---|---|---|---|---|---|---|
"""

SHARE_TEXT = """
## Shares and strengths

{runs} studies a row, Monte-Carlo standard error {error:.3f}: coverage of the share of wins (Wilson on n/deff), of the
Bradley-Terry log-ratio (clustered t), and, what not to print, of Wilson on n.

| design | preference | effects | share | log-ratio | naive share |
|---|---|---|---|---|---|
"""

DISTANCE_TEXT = """
## Distances of feature sets

{runs} pairs of samples a row, N rows in each; nominal 95 % intervals, Monte-Carlo standard error {error:.3f}. KID: the
coordinates are normal or exponential around 1. In three dimensions its cubic kernel is too skewed for any t interval.

| distance | N | d | truth | coverage | mean error |
|---|---|---|---|---|---|
"""

if __name__ == "__main__":
    RESULTS.write_text(as_markdown(headline_table(), share_table(), distance_table()), encoding="utf-8")
