"""The results of the check, as text and as a record for JSON."""

from dataclasses import asdict
from typing import Any

from evalkit.stats.estimate import Estimate
from evalkit.training.check import Accuracy, Check

BARS = {"object": 0.70, "background": 0.90}
MINIATURE = "Miniature: nothing here says anything about the full-size systems."


def as_record(check: Check) -> dict[str, Any]:
    """Everything, with the bars and whether each is met by the baseline at 30 steps as emoji-clip sees it."""
    return {"note": MINIATURE, "bars": [_bar(row) for row in _barred(check)], **asdict(check)}


def as_text(check: Check) -> str:
    """A table, a line for each accuracy, then the bars, the nearest training renders and the cost."""
    guidance = f"guidance {check.guidance.scale}, rescale {check.guidance.rescale}"
    lines = [MINIATURE, f"n = {check.n} pictures a system and step count; {guidance}; {check.megabytes:.1f} MB", ""]
    lines += [_row(row) for row in check.accuracies]
    lines += ["", *(_bar_line(row) for row in _barred(check)), ""]
    for near in check.nearest:
        lines.append(
            f"nearest of {near.training} training renders, {near.pictures} (n = {near.n}): "
            f"median {near.median:.1f} grey levels (quartiles {near.lower:.1f} to {near.upper:.1f})"
        )
    return "\n".join([*lines, *_cost_lines(check)])


def _barred(check: Check) -> list[Accuracy]:
    return [
        row
        for row in check.accuracies
        if row.what in BARS and row.judge == "emoji-clip" and row.prompts == "all combinations" and row.steps
    ]


def _bar(row: Accuracy) -> dict[str, Any]:
    met = row.accuracy.value is not None and row.accuracy.value >= BARS[row.what]
    return {"system": row.pictures, "steps": row.steps, "what": row.what, "bar": BARS[row.what], "met": met}


def _bar_line(row: Accuracy) -> str:
    verdict = "met" if _bar(row)["met"] else "NOT met"
    bar = f"bar {BARS[row.what]:.0%} {row.what}, {row.pictures} at {row.steps} steps"
    return f"{bar}: {verdict} ({_percent(row.accuracy)})"


def _row(row: Accuracy) -> str:
    steps = f"{row.steps} steps" if row.steps else ""
    share = f"   {_percent(row.share)} of the judge's own" if row.share else ""
    return (
        f"{row.pictures:14} {steps:9} {row.prompts:32} {row.judge:11} {row.what:11} {_percent(row.accuracy)}"
        f" n = {row.accuracy.n}{share}"
    )


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"not known: {estimate.note}"
    bounds = " to ".join("?" if bound is None else f"{bound:.1%}" for bound in (estimate.low, estimate.high))
    return f"{estimate.value:.1%} ({bounds})"


def _cost_lines(check: Check) -> list[str]:
    cost = check.cost
    each = [
        f"{name}: {cost.parameters[name]:,} parameters, {value:.1f} ms a guided step (median of {cost.rounds})"
        for name, value in cost.milliseconds.items()
    ]
    return [
        *each,
        f"ratio of the step times {cost.ratio:.2f} ({cost.low:.2f} to {cost.high:.2f}), n = {cost.rounds} rounds",
    ]
