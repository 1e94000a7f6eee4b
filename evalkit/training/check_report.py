"""The results of the check, as text and as a record for JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from evalkit.stats.estimate import Estimate
from evalkit.training import acceptance
from evalkit.training.acceptance import Line
from evalkit.training.check import Accuracy, Check
from evalkit.training.ladder import Climb, Rung
from evalkit.training.novelty import Novelty

MINIATURE = "Miniature: nothing here says anything about the full-size systems."
PAIRED = "paired by prompt: above 0 where more are better"


def as_record(check: Check) -> dict[str, Any]:
    """Everything, with the demands and whether each is met."""
    found = acceptance.lines(check)
    return {
        "note": MINIATURE,
        "accepted": acceptance.accepted(found),
        "lines": [asdict(line) for line in found],
        **asdict(check),
    }


def as_text(check: Check) -> str:
    """The demands with their verdicts, then all that was measured."""
    found = acceptance.lines(check)
    guidance = f"guidance {check.guidance.scale}, rescale {check.guidance.rescale}"
    verdict = "accepted: every bar is met" if acceptance.accepted(found) else "NOT accepted"
    blocks = [
        [MINIATURE, f"n = {check.n} pictures a system and step count, seed {check.seed}; {guidance}; intervals 95 %"],
        [*map(_demand, found), verdict],
        [*map(_accuracy, check.accuracies)],
        *[[f"{one.system}, distance to fresh renders", *map(_rung, one.rungs)] for one in check.ladders],
        *[[f"{one.system}, fewer steps minus more, {PAIRED}", *map(_climb, one.climbs)] for one in check.ladders],
        [*map(_near, check.nearest)],
        [*_cost_lines(check)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _demand(line: Line) -> str:
    figure = _percent(line.figure) if line.unit == "share" else _number(line.figure)
    return f"{line.verdict:15} {line.demand:86} {line.bar:24} {figure} n = {line.figure.n}"


def _accuracy(row: Accuracy) -> str:
    steps = f"{row.steps} steps" if row.steps else ""
    share = f"   {_percent(row.share)} of the judge's own" if row.share else ""
    return (
        f"{row.pictures:14} {steps:9} {row.prompts:32} {row.judge:11} {row.what:11} {_percent(row.accuracy)}"
        f" n = {row.accuracy.n}{share}"
    )


def _rung(rung: Rung) -> str:
    return f"{rung.metric:10} {rung.steps:3} steps  {_number(rung.estimate)} n = {rung.estimate.n}"


def _climb(climb: Climb) -> str:
    p = "" if climb.p is None else f" p = {climb.p:.2g}"
    return (
        f"{climb.metric:10} {climb.fewer:3} - {climb.more:2} steps  {_number(climb.estimate)} n = {climb.estimate.n}{p}"
    )


def _near(near: Novelty) -> str:
    return (
        f"nearest of {near.training:,} training renders: {near.pictures}, {near.part}: median {_number(near.median)} "
        f"grey levels (quartiles {near.lower:.1f} to {near.upper:.1f}), n = {near.median.n}; nearer than the nearest "
        f"5 % of fresh renders: {_percent(near.nearer)}"
    )


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"not known: {estimate.note}"
    bounds = " to ".join("?" if bound is None else f"{bound:.1%}" for bound in (estimate.low, estimate.high))
    return f"{estimate.value:.1%} ({bounds})"


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"not known: {estimate.note}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4g} (no interval)"
    return f"{estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"


def _cost_lines(check: Check) -> Iterator[str]:
    cost = check.cost
    for name, value in cost.milliseconds.items():
        yield f"{name}: {cost.parameters[name]:,} parameters, {value:.1f} ms a guided step (median of {cost.rounds})"
    for eight in check.eight:
        yield (
            f"8 images in one batch: {eight.system}, {eight.steps} steps: {eight.seconds:.1f} s, "
            f"{eight.cpu_seconds:.1f} s of the processors, {eight.threads} threads"
        )
