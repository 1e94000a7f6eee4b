"""What the health card's frozen thresholds do where the truth is known: false alarms, and faults that they miss.

`python tests/simulation/health.py` writes HEALTH.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.stats import health
from evalkit.stats.clustered import clustered_share
from evalkit.stats.frechet import frechet_distance, frechet_distance_from_features
from evalkit.stats.frechet_interval import frechet_jackknife, prompt_groups
from evalkit.stats.memorisation import nearest, nearest_other

RUNS = 200
RESULTS = Path(__file__).with_name("HEALTH.md")
VERDICTS = ("fine", "caution", "do not use", "not assessable")
WORDS = {True: "yes", False: "no", None: "between"}
Draw = Callable[[np.random.Generator], health.Verdict]


@dataclass(frozen=True)
class Row:
    """One truth, whether it is healthy (None: between the two, no target), and the shares of the verdicts."""

    panel: str
    truth: str
    healthy: bool | None
    shares: dict[str, float]

    @property
    def wrong(self) -> float:
        """Share of false alarms where it is healthy, of misses where it is not."""
        fine = self.shares["fine"]
        return 0.0 if self.healthy is None else 1 - fine if self.healthy else fine


def table(runs: int = RUNS, seed: int = 20260201) -> list[Row]:
    """All panels; each row with random numbers of its own."""
    health.SIMULATED = True  # so that something can be called fine before there is a table
    people = [*agreement_cases(), *agreement_cases(prompts=100, images=1, raters=5)]
    cases = [*fragile_cases(), *bias_cases(), *people, *memory_cases()]
    return [_row(case, runs, np.random.default_rng([seed, place])) for place, case in enumerate(cases)]


@dataclass(frozen=True)
class Case:
    panel: str
    truth: str
    healthy: bool | None
    draw: Draw


def _row(case: Case, runs: int, rng: np.random.Generator) -> Row:
    found = Counter(case.draw(rng) for _ in range(runs))
    return Row(case.panel, case.truth, case.healthy, {name: found[name] / runs for name in VERDICTS})


def fragile_cases(axes: int = 16, n: int = 128) -> list[Case]:
    """Images whose features move by a shift that changes the true distance by a multiple of its mean half-width."""
    base = np.random.default_rng(1).normal(size=(1000, axes))
    half, offset = _half_width(base, axes, n), 0.5 / axes**0.5

    def draw(ratio: float) -> Draw:
        moved = (axes * offset**2 + ratio * half) ** 0.5 / axes**0.5 - offset

        def one(rng: np.random.Generator) -> health.Verdict:
            own = rng.normal(offset, 1, (n, axes))
            distance = _jackknife(own, base, rng).corrected
            parts = [np.arange(0, n, 2), np.arange(1, n, 2)]
            shifts = [
                frechet_distance_from_features(own[part] + moved, base)
                - frechet_distance_from_features(own[part], base)
                for part in parts
            ]
            return health.fragility([float(np.mean(shifts))], distance)

        return one

    truths = ((0.0, True), (0.1, True), (0.25, True), (1.0, False), (4.0, False))
    return [Case("fragile", f"change of {ratio:g} half-widths", fine, draw(ratio)) for ratio, fine in truths]


def _half_width(base: np.ndarray, axes: int, n: int) -> float:
    rng = np.random.default_rng(2)
    found = [_jackknife(rng.normal(0.5 / axes**0.5, 1, (n, axes)), base, rng).corrected for _ in range(50)]
    return float(np.mean([(one.high - one.low) / 2 for one in found if one.high is not None and one.low is not None]))


def _jackknife(own: np.ndarray, base: np.ndarray, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    groups, others = (prompt_groups(np.arange(len(one)).astype(str), 20, rng) for one in (own, base))
    return frechet_jackknife(own, base, groups, others)


def bias_cases(axes: int = 16) -> list[Case]:
    """Normal features at a true distance from the reference that makes the bias a known share of the plain value."""
    base = np.random.default_rng(3).normal(size=(4000, axes))
    reference = base.mean(axis=0), np.cov(base, rowvar=False)

    def case(n: int, shift: float) -> Case:
        rng, eye = np.random.default_rng([4, n]), np.eye(axes)
        truth = frechet_distance(np.full(axes, shift), eye, *reference)
        plain = np.mean([frechet_distance_from_features(rng.normal(shift, 1, (n, axes)), base) for _ in range(50)])
        share = float((plain - truth) / plain)

        def one(rng: np.random.Generator) -> health.Verdict:
            found = _jackknife(rng.normal(shift, 1, (n, axes)), base, rng)
            return health.bias(float(found.plain.value or 0), found.corrected)

        return Case("biased", f"{share:.0%} of the value is bias, n = {n}", share <= 0.05, one)

    return [case(1000, 1.0), case(1000, 0.5), case(128, 1.5), case(128, 0.5), case(64, 0.3)]


def agreement_cases(prompts: int = 30, images: int = 3, raters: int = 8) -> list[Case]:
    """Pairs with a true preference that raters see 75 % of the time, and metrics that see it more or less often."""

    def draw(skill: float) -> Draw:
        def one(rng: np.random.Generator) -> health.Verdict:
            pairs = prompts * images
            truth = rng.choice([-1, 1], pairs)
            metric = np.where(rng.random(pairs) < skill, truth, -truth)
            seen = 1 / (1 + np.exp(-(1.1 + rng.normal(0, 0.5, prompts)[np.arange(pairs) // images])))
            votes = np.where(rng.random((pairs, raters)) < seen[:, None], truth[:, None], -truth[:, None])
            others = np.sign(votes.sum(axis=1, keepdims=True) - votes)
            prompt = np.repeat(np.arange(pairs) // images, raters)
            rater = np.tile(np.arange(raters), pairs)
            hits = (votes == metric[:, None]).ravel()
            told = (others != 0).ravel()
            ceiling = clustered_share((votes == others).ravel()[told], prompt[told], rater[told])
            return health.agreement(clustered_share(hits, prompt, rater), ceiling)

        return one

    truths = ((1.0, True), (0.95, True), (0.8, None), (0.7, False), (0.5, False), (0.2, False))
    told = f"true preferences, {prompts} prompts"
    return [Case("people", f"sees {skill:.0%} of {told}", fine, draw(skill)) for skill, fine in truths]


def memory_cases(n: int = 128, training: int = 1000) -> list[Case]:
    """New features from the training set's own population, some replaced by training rows with a little noise."""

    def draw(copies: int, dimensions: int, noise: float) -> Draw:
        def one(rng: np.random.Generator) -> health.Verdict:
            base = rng.normal(size=(training, dimensions))
            own = rng.normal(size=(n, dimensions))
            own[:copies] = base[:copies] + rng.normal(0, noise, (copies, dimensions))
            found = nearest(own, base)
            closeness = health.copy_closeness(found.distance, nearest_other(base, found.index))
            return health.memorisation(closeness, 100 * float((closeness > 1).mean()), is_training_set=True)

        return one

    cases = [(0, 16, 0.0), (0, 64, 0.0), (0, 256, 0.0), (2, 64, 0.2), (6, 64, 0.2), (6, 64, 0.05)]
    return [
        Case(
            "memorisation",
            f"{copies} copies of {n}, noise {noise:g}, {d} dimensions",
            copies == 0,
            draw(copies, d, noise),
        )
        for copies, d, noise in cases
    ]


def as_markdown(rows: list[Row], runs: int = RUNS) -> str:
    head = f"""# The health card's thresholds where the truth is known

Written by `python tests/simulation/health.py`; held to its targets by `pytest tests/simulation -m slow`. {runs} sets a
row; Monte-Carlo standard error 0.015 at .05, 0.035 at .50. A healthy truth that is not called fine is a false alarm
(target: at most .05); an unhealthy one that is called fine is a miss (target: at most .05); one between has no target.
People: raters see a true preference 75 % of the time, give or take by prompt; a metric that sees 74 % of the true ones
is half-way from chance to the majority of the other raters, where "fine" begins.

| panel | truth | healthy | fine | caution | do not use | not assessable |
|---|---|---|---|---|---|---|
"""
    lines = [
        f"| {row.panel} | {row.truth} | {WORDS[row.healthy]} | "
        + " | ".join(f"{row.shares[name]:.3f}" for name in VERDICTS)
        + " |"
        for row in rows
    ]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    RESULTS.write_text(as_markdown(table()), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))
