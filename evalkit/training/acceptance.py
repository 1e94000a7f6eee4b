"""What the pair must reach, line by line: the bar, the figure with n and interval, and whether it is reached."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from evalkit.stats.estimate import Estimate
from evalkit.training import ladder
from evalkit.training.check import ALL, SYSTEMS, Accuracy, Check
from evalkit.training.ladder import Ladder

Verdict = Literal["met", "NOT met", "not measured", "aim reached", "aim NOT reached"]
BARS = {
    ("emoji-clip", "object"): 0.70,
    ("emoji-clip", "background"): 0.90,
    ("outside", "object"): 0.60,
    ("outside", "background"): 0.85,
}
AIMS: dict[Verdict, Verdict] = {"met": "aim reached", "NOT met": "aim NOT reached"}
READ_BAR = 45 / 64
SHARE_AIM = 0.90
MARGINS = {"FD-pca64": 0.15, "KID-lite0": 0.10}
"""30 steps count as good as 50 where they differ by less than this share of what 50 steps gain over 2."""
LARGEST_MEGABYTES, LONGEST_SECONDS = 25.0, 10.0


@dataclass(frozen=True)
class Line:
    """One demand. `bar` in words; `figure` is what was measured. An aim is wished for and decides nothing."""

    demand: str
    bar: str
    figure: Estimate
    verdict: Verdict
    unit: Literal["share", "number"] = "number"


def lines(check: Check) -> tuple[Line, ...]:
    """All demands, in the order of the issue that set them."""
    return (*_accuracies(check), *_reading(check), *_steps(check), *_costs(check), *_aims(check))


def accepted(found: tuple[Line, ...]) -> bool:
    """Whether every bar is reached; what could not be measured is not reached."""
    return all(line.verdict in ("met", "aim reached", "aim NOT reached") for line in found)


def _accuracies(check: Check) -> Iterator[Line]:
    for row in _barred(check):
        bar = BARS[row.judge, row.what]
        demand = f"{row.judge} names the {row.what}: {row.pictures}, {row.steps} steps"
        yield Line(demand, f"at least {bar:.0%}", row.accuracy, _at_least(row.accuracy, bar), "share")


def _reading(check: Check) -> Iterator[Line]:
    demand = "a reader who sees no prompts names the object on a contact sheet"
    yield Line(demand, f"at least {READ_BAR:.0%}", check.reading, _at_least(check.reading, READ_BAR), "share")


def _aims(check: Check) -> Iterator[Line]:
    for row in _barred(check):
        if row.share is not None:
            demand = f"{row.judge}, {row.what}, as a share of its own on renders: {row.pictures}, {row.steps} steps"
            reached = row.share.value is not None and row.share.value >= SHARE_AIM
            verdict: Verdict = "aim reached" if reached else "aim NOT reached"
            yield Line(demand, f"aim {SHARE_AIM:.0%}", row.share, verdict, "share")


def _barred(check: Check) -> list[Accuracy]:
    return [
        row
        for row in check.accuracies
        if (row.judge, row.what) in BARS
        and row.prompts == ALL.label
        and row.pictures in SYSTEMS
        and row.steps in ALL.steps
    ]


def _steps(check: Check) -> Iterator[Line]:
    """More steps are better from 2 to 16, and 30 are as good as 50: of the ladder a bar, of the challenger an aim."""
    for steps in check.ladders:
        for line in (line for metric in MARGINS for line in _climbed(steps, metric)):
            yield line if steps.system == SYSTEMS[0] else replace(line, verdict=AIMS.get(line.verdict, line.verdict))


def _climbed(steps: Ladder, metric: str) -> Iterator[Line]:
    climbs = {(c.fewer, c.more): c.estimate for c in steps.climbs if c.metric == metric}
    said = f"{steps.system}, {metric}"
    for fewer, more in ladder.BETTER:
        demand = f"{said}: {fewer} steps are worse than {more}, paired"
        yield Line(demand, "interval above 0", climbs[fewer, more], _above(climbs[fewer, more], 0.0))
    null, margin = climbs[ladder.NULL], margin_of(steps, metric)
    bar = "no margin" if margin is None else f"interval within ±{margin:.4g}"
    yield Line(f"{said}: 30 steps are as good as 50 (planted null)", bar, null, _within(null, margin))


def margin_of(steps: Ladder, metric: str) -> float | None:
    """`MARGINS` times the distance that lies between 2 steps and 50."""
    rungs = {rung.steps: rung.estimate.value for rung in steps.rungs if rung.metric == metric}
    worst, best = rungs[2], rungs[50]
    return None if worst is None or best is None else MARGINS[metric] * abs(worst - best)


def _costs(check: Check) -> Iterator[Line]:
    cost = check.cost
    baseline, challenger = (cost.parameters[name] for name in SYSTEMS)
    fewer = Estimate(challenger / baseline, None, None, 1, "counted")
    yield Line("parameters, challenger / baseline", "below 1", fewer, "met" if challenger < baseline else "NOT met")
    ratio = Estimate(cost.ratio, cost.low, cost.high, cost.rounds, "median of paired rounds, bootstrap")
    yield Line("step time, challenger / baseline", "interval below 1", ratio, "met" if cost.high < 1 else "NOT met")
    size = Estimate(check.megabytes, None, None, 1, "counted")
    held = check.megabytes <= LARGEST_MEGABYTES
    yield Line("weights, MB", f"at most {LARGEST_MEGABYTES:g}", size, "met" if held else "NOT met")
    for eight in check.eight:
        took = Estimate(eight.seconds, None, None, 1, "one run")
        demand = f"8 images: {eight.system}, {eight.steps} steps, {eight.threads} threads, seconds"
        fast = eight.seconds < LONGEST_SECONDS
        yield Line(demand, f"below {LONGEST_SECONDS:g}", took, "met" if fast else "NOT met")


def _at_least(found: Estimate, bar: float) -> Verdict:
    return "not measured" if found.value is None else "met" if found.value >= bar else "NOT met"


def _above(found: Estimate, bar: float) -> Verdict:
    return "not measured" if found.low is None else "met" if found.low > bar else "NOT met"


def _within(found: Estimate, margin: float | None) -> Verdict:
    """Two one-sided tests at 2.5 % each (Schuirmann 1987): the 95 % interval lies within the margin."""
    if found.low is None or found.high is None or margin is None:
        return "not measured"
    return "met" if -margin < found.low and found.high < margin else "NOT met"
