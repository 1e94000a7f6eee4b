"""Simulated audits with known truth: does the gap's interval cover it, are its tests and chance levels what they say?

`python tests/simulation/language_gap.py` writes LANGUAGE_GAP.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np

from evalkit.stats.covariates import regress
from evalkit.stats.language_gap import gap, share_lost, within_a_third
from evalkit.stats.multiplicity import holm
from evalkit.stats.representation import null_floor, represent

RUNS = 800
RESULTS = Path(__file__).with_name("LANGUAGE_GAP.md")
SIZES = (8, 12, 24, 60, 120)
TRUE_GAPS = (0.0, -2.0, -8.0)
LANGUAGES = 11
SHAPES = ((24, 9), (120, 11), (24, 5))
"""Prompts and languages of emoji-audit, of audit-languages, and few of both."""


@dataclass(frozen=True)
class Row:
    """One size and one planted gap: coverage of the 95 % interval, how often a gap was shown, mean half-width."""

    prompts: int
    noise: str
    planted: float
    coverage: float
    shown: float
    width: float


def draw(rng: np.random.Generator, prompts: int, noise: str, planted: float) -> tuple[np.ndarray, np.ndarray]:
    """Two images a prompt: prompts differ (sd 4), images differ (sd 3). Skewed: most prompts lose little, some all."""
    codes = np.repeat(np.arange(prompts), 2)
    prompt = rng.normal(0, 4, prompts) if noise == "normal" else 4 * (1 - rng.exponential(1, prompts))
    return planted + prompt[codes] + rng.normal(0, 3, 2 * prompts), codes


def gap_table(runs: int = RUNS, seed: int = 1) -> list[Row]:
    """Coverage of the gap's own interval (t under 100 prompts, bootstrap from there)."""
    rng, rows = np.random.default_rng(seed), []
    for prompts in SIZES:
        for noise in ("normal", "skewed"):
            for planted in TRUE_GAPS:
                found = [gap(*draw(rng, prompts, noise, planted), rng=rng, resamples=300).estimate for _ in range(runs)]
                low, high = (np.array([getattr(e, end) for e in found], dtype=float) for end in ("low", "high"))
                inside, shown = (low <= planted) & (planted <= high), high < 0
                rows.append(Row(prompts, noise, planted, inside.mean(), shown.mean(), (high - low).mean() / 2))
    return rows


def family_errors(runs: int, prompts: int = 24, seed: int = 2) -> float:
    """Share of audits of eleven languages without any gap in which Holm shows one all the same."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(runs):
        p = [gap(*draw(rng, prompts, "normal", 0.0), rng=rng, resamples=1).test.p for _ in range(LANGUAGES)]
        wrong += min(value for value in holm(p) if value is not None) < 0.05
    return wrong / runs


def control_errors(runs: int, prompts: int = 48, seed: int = 3) -> dict[str, float]:
    """How often a control is called equivalent: with no shift, and with one at the margin (at most 5 % may be)."""
    rng, found = np.random.default_rng(seed), {}
    for name, shift in (("no shift", 0.0), ("a shift of the whole margin", -4.0)):
        equal = 0
        for _ in range(runs):
            smallest = gap(*draw(rng, prompts, "normal", -12.0), rng=rng, resamples=1)
            control = gap(*draw(rng, prompts, "normal", shift), rng=rng, resamples=1)
            tested = within_a_third(control, [smallest])
            equal += tested is not None and tested.equivalent is True
        found[name] = equal / runs
    return found


def lost_coverage(runs: int, prompts: int, truth: float = 0.4, seed: int = 4) -> float:
    """Coverage of the share that is lost."""
    rng, inside = np.random.default_rng(seed), 0
    for _ in range(runs):
        base, chance = rng.normal(80, 6, prompts), rng.normal(35, 6, prompts)
        other = 80 - truth * 45 + 0.5 * (base - 80) + rng.normal(0, 8, prompts)
        found = share_lost(base, other, chance, np.arange(prompts))
        inside += found.low is not None and found.high is not None and found.low <= truth <= found.high
    return inside / runs


def slope_coverage(runs: int, prompts: int, languages: int, kind: str, seed: int = 5) -> tuple[float, float]:
    """Coverage of intercept and slope on tokens; prompts, languages and cells have effects (sd 2, 3 and 4).

    Skewed: a few languages have most of the tokens; uneven: those languages also differ most.
    """
    rng, inside = np.random.default_rng(seed), np.zeros(2)
    for _ in range(runs):
        codes, langs = np.repeat(np.arange(prompts), languages), np.tile(np.arange(languages), prompts)
        mean = rng.normal(1, 0.6, languages) if kind == "normal" else 0.3 + rng.exponential(0.8, languages)
        spread = 3 * (0.3 + np.abs(mean)) if kind == "uneven" else 3.0
        ratio = mean[langs] + rng.normal(0, 0.3, codes.size)
        effects = rng.normal(0, 2, prompts)[codes] + (rng.normal(0, 1, languages) * spread)[langs]
        found = regress(-2 - 3 * ratio + effects + rng.normal(0, 4, codes.size), ratio[:, None], codes, langs)
        for place, (estimate, truth) in enumerate(((found.intercept, -2), (found.slopes[0], -3))):
            inside[place] += estimate.low is not None and estimate.low <= truth <= (estimate.high or 0)
    return float(inside[0] / runs), float(inside[1] / runs)


def distance_coverage(
    runs: int, classes: int, prompts: int, images: int, bias: float, seed: int = 6
) -> tuple[float, float]:
    """Coverage of total variation, and how often the chi-square test rejects; prompts differ (beta or Dirichlet)."""
    rng, inside, rejected = np.random.default_rng(seed), 0, 0
    shares = np.full(classes, (1 - bias) / classes)
    shares[0] += bias
    truth = float(np.abs(shares - 1 / classes).sum() / 2)
    codes = np.repeat(np.arange(prompts), images)
    for _ in range(runs):
        by_prompt = rng.dirichlet(shares * 10, prompts)
        drawn = np.concatenate([rng.choice(classes, images, p=row) for row in by_prompt])
        found = represent(drawn, codes, [1 / classes] * classes)
        low, high = found.distance.low, found.distance.high
        inside += low is not None and high is not None and low - 1e-12 <= truth <= high + 1e-12
        rejected += found.test.p is not None and found.test.p < 0.05
    return inside / runs, rejected / runs


def floor_table(draws: int = 20_000, seed: int = 7) -> list[tuple[int, int, float, float, float]]:
    """Images, classes, exact mean of a fair system, simulated mean, share of fair systems above its 95th percentile."""
    rng, rows = np.random.default_rng(seed), []
    for classes in (2, 10):
        for n in (8, 40, 160, 720):
            reference = np.full(classes, 1 / classes)
            drawn = np.abs(rng.multinomial(n, reference, draws) / n - reference).sum(axis=1) / 2
            floor = null_floor(n, reference, seed=1)
            rows.append((n, classes, floor.mean, float(drawn.mean()), float((drawn > floor.upper + 1e-12).mean())))
    return rows


def write(runs: int = RUNS) -> str:
    error = sqrt(0.95 * 0.05 / runs)
    lines = [
        "# Simulated audits",
        "",
        "Written by `python tests/simulation/language_gap.py`; held to them by `pytest tests/simulation -m slow`.",
        "",
        f"{runs} audits a row; Monte-Carlo standard error {error:.4f} at .95. Two images a prompt; prompts differ by 4 "
        "points (sd), images by 3. Skewed: exponential over prompts. Targets: coverage at least .93 (skewed under 60 "
        "prompts: .87), shown at most .045 of the time where there is none (one side of 5 %; skewed under 60: .11).",
        "",
        "| prompts | differences | planted gap | coverage | gap shown | half-width |",
        "|---|---|---|---|---|---|",
    ]
    for row in gap_table(runs):
        numbers = f"{row.coverage:.3f} | {row.shown:.3f} | {row.width:.2f}"
        lines.append(f"| {row.prompts} | {row.noise} | {row.planted:g} | {numbers} |")
    few = runs // 2
    controls = control_errors(few)
    lines += [
        "",
        f"Holm over {LANGUAGES} languages without a gap, 24 prompts: one shown in {family_errors(few):.3f} of audits "
        "(target .06).",
        "",
        "Control of 48 prompts, smallest gap 12, margin 4: called equivalent "
        + ", ".join(f"{share:.3f} with {name}" for name, share in controls.items())
        + " (target: at most .06 with a shift of the margin).",
        "",
        "Share lost, truth .40, coverage: "
        + ", ".join(f"{lost_coverage(few, prompts):.3f} at {prompts} prompts" for prompts in (12, 24, 120))
        + ".",
        "",
        "Regression of the gap on tokens, coverage of 95 % intervals by CR2 "
        "(target .93 to .97; uneven languages .91 to .97):",
        "",
        "| prompts x languages | tokens | intercept | slope |",
        "|---|---|---|---|",
        *(
            "| {} x {} | {} | {:.3f} | {:.3f} |".format(p, k, kind, *slope_coverage(runs, p, k, kind))
            for p, k in SHAPES
            for kind in ("normal", "skewed", "uneven")
        ),
        "",
        "| classes | prompts x images | bias | coverage of the distance | chi-square rejects |",
        "|---|---|---|---|---|",
    ]
    for classes, prompts, images, bias in (
        (2, 36, 20, 0),
        (2, 36, 20, 0.3),
        (10, 36, 20, 0),
        (10, 36, 20, 0.3),
        (2, 12, 8, 0.3),
    ):
        cover, rejected = distance_coverage(few // 2, classes, prompts, images, bias)
        lines.append(f"| {classes} | {prompts} x {images} | {bias:g} | {cover:.3f} | {rejected:.3f} |")
    lines += [
        "",
        "| images | classes | fair system, exact mean | simulated | above the 95th percentile |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {n} | {k} | {exact:.4f} | {mean:.4f} | {above:.4f} |" for n, k, exact, mean, above in floor_table()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    RESULTS.write_text(write(), encoding="utf-8")
