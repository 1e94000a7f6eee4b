"""Inconsistent with people? How each metric's calls agree with the study's votes, beside what raters achieve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._health_panels import Panel
from evalkit.sections._scores import Scores, image_scores
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots
from evalkit.stats import health
from evalkit.stats.clustered import clustered_share
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

NAME = "Inconsistent with people"
NOTE = (
    "Share of decisive votes that went to the image with the better score; 50 % is chance. Raters: each vote against "
    "the majority of the others on the same pair (leave one out), which shows how much agreement there is to reach. "
    "A metric is fine if the lower end of its interval is half-way or more from chance to what raters reach. "
    "Kendall's tau-b: a metric's difference between two images against the net preference for one. Equal scores and "
    "pairs without a majority are left out. Metrics of whole sets say nothing of a pair, and stand below."
)


@dataclass(frozen=True)
class Agreement:
    """One metric, or the raters themselves (`tau` None), on one question."""

    question: str
    name: str
    accuracy: Estimate
    tau: Estimate | None
    verdict: health.Verdict | None


def people_panel(run: Run, scores: Scores, ballots: Ballots | None, facts: Facts) -> Panel:
    """Every metric with a score per image against the votes; "no votes yet" without any."""
    if ballots is None or ballots.counted.empty:
        return Panel(NAME, "not assessable", "No votes yet: whether the metrics agree with people is not known.")
    found = agreements(run, scores, ballots, facts)
    verdicts = [one.verdict for one in found if one.verdict is not None and one.question == facts.asked[0]]
    blocks: list[Block] = [_figure(found, facts)] if found else []
    if (sets := _set_calls(scores, ballots, facts)) is not None:
        blocks.append(sets)
    return Panel(NAME, health.worst(verdicts), _sentence(found, ballots, facts), blocks, _bare(found))


def agreements(run: Run, scores: Scores, ballots: Ballots, facts: Facts) -> list[Agreement]:
    """One entry a question and metric of level "image", and one for the raters, first the raters."""
    known, found = image_scores(run, scores), []
    for question in facts.asked if known else []:
        votes = ballots.counted[ballots.counted["question"] == question]
        decisive = votes[votes["outcome"] != 0]
        ceiling = _accuracy(decisive, _other_raters(decisive), facts)
        found.append(Agreement(question, "raters", ceiling, None, None))
        for metric, table in known.items():
            sign = -1 if scores.lower_is_better(metric) else 1
            accuracy = _accuracy(decisive, sign * np.sign(_differences(decisive, table)), facts)
            tau = _tau(votes, table, sign, facts)
            found.append(Agreement(question, metric, accuracy, tau, health.agreement(accuracy, ceiling)))
    return found


def _differences(votes: pd.DataFrame, table: dict[str, float]) -> npt.NDArray[np.float64]:
    """Score of image a less that of image b; 0 where one has no score."""
    difference = (votes["image_a"].map(table) - votes["image_b"].map(table)).to_numpy(dtype=np.float64)
    return np.asarray(np.nan_to_num(difference), dtype=np.float64)


def _other_raters(votes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The majority of the others' decisive votes on the same pair."""
    total = votes.groupby(["image_a", "image_b"])["outcome"].transform("sum")
    own = votes.groupby(["image_a", "image_b", "rater"])["outcome"].transform("sum")
    return np.asarray(np.sign((total - own).to_numpy(dtype=np.float64)))


def _accuracy(votes: pd.DataFrame, call: npt.NDArray[np.float64], facts: Facts) -> Estimate:
    told = call != 0
    hits = call[told] == votes["outcome"].to_numpy()[told]
    groups = votes["prompt_code"].to_numpy()[told], votes["rater_code"].to_numpy()[told]
    return clustered_share(hits, *groups, confidence=facts.study.analysis.confidence)


def _tau(votes: pd.DataFrame, table: dict[str, float], sign: int, facts: Facts) -> Estimate:
    """Over pairs of images: the metric's difference against the mean outcome of the pair's votes."""
    pairs = votes.groupby(["image_a", "image_b"], as_index=False).agg(
        outcome=("outcome", "mean"), prompt_code=("prompt_code", "first")
    )
    scored = pairs[pairs["image_a"].isin(table) & pairs["image_b"].isin(table)]
    difference = sign * _differences(scored, table)
    confidence = facts.study.analysis.confidence
    return health.kendall_tau_b(difference, scored["outcome"], scored["prompt_code"], confidence=confidence)


def _sentence(found: list[Agreement], ballots: Ballots, facts: Facts) -> str:
    asked = [one for one in found if one.question == facts.asked[0] and one.tau is not None]
    if not asked:
        return "No metric has a score per image, so none can be held against the votes."
    told = [f"{one.name} {_format.share(one.accuracy)}" for one in asked]
    raters = next(one.accuracy for one in found if one.name == "raters" and one.question == facts.asked[0])
    simulated = " The votes are simulated: nothing here is about people." if ballots.simulated else ""
    return (
        f"{facts.question(facts.asked[0])}: of decisive votes, {_format.listed(told)} went to the image with the "
        f"better score, where raters agree with each other in {_format.share(raters)}.{simulated}"
    )


def _figure(found: list[Agreement], facts: Facts) -> Figure:
    drawn = [one for one in found if one.accuracy.value is not None]
    marks: dict[str, list[Mark]] = {}
    for one in drawn:
        mark = Mark(one.name, _format.share(one.accuracy), one.accuracy)
        marks.setdefault(facts.question(one.question), []).append(mark)
    low, high = span([one.accuracy for one in drawn], include=(0.45, 0.7))
    scale = Scale(max(0.0, low), min(1.0, high), "share of decisive votes", ".0%")
    return Figure(
        name="health-people",
        title="Inconsistent with people? How often a metric names the image that people chose",
        subtitle=f"Share of decisive votes, {facts.confidence} interval by prompt and rater. Thin line: chance.",
        panels=tuple(intervals(question, rows, scale, zero=0.5) for question, rows in marks.items()),
        alt=" ".join(f"{question}, {mark.label}: {mark.text}." for question, rows in marks.items() for mark in rows),
        table=_table(found, facts),
        open=True,
    )


def _table(found: list[Agreement], facts: Facts) -> Table:
    columns = (
        Column("Metric", align="left"),
        Column("pairwise accuracy", f"{facts.confidence} interval"),
        Column("votes", "n"),
        Column("prompts"),
        Column("Kendall tau-b", f"{facts.confidence} interval"),
        Column("pairs", "n"),
        Column("verdict", align="left"),
    )
    rows = tuple(
        (
            f"{facts.question(one.question)}: {one.name}",
            _format.share(one.accuracy) if one.accuracy.value is not None else "no value",
            _format.count(one.accuracy.n),
            _format.count(one.accuracy.prompts or 0),
            _measure(one.tau),
            _format.count(one.tau.n) if one.tau else "–",
            one.verdict or "the noise ceiling",
        )
        for one in found
    )
    return Table("Agreement with people", columns, rows, NOTE)


def _measure(tau: Estimate | None) -> str:
    if tau is None:
        return "–"
    return _format.measure(tau, signed=True) if tau.value is not None else "no value"


def _set_calls(scores: Scores, ballots: Ballots, facts: Facts) -> Table | None:
    """Whether a metric of whole sets orders two systems as the votes do: one call a pair of systems, no interval."""
    rows = []
    for c in scores.comparisons:
        if scores.infos.get(c.metric, {}).get("level") != "set" or c.estimate.value is None:
            continue
        votes = ballots.counted[
            (ballots.counted["question"] == facts.asked[0])
            & (ballots.counted["system_a"] == c.first)
            & (ballots.counted["system_b"] == c.second)
        ]
        net = float(votes["outcome"].mean()) if len(votes) else 0.0
        better = c.estimate.value * (-1 if scores.lower_is_better(c.metric) else 1)
        same = "no net preference" if net == 0 else "as the votes do" if better * net > 0 else "the other way"
        rows.append((scores.headed(c.metric), f"{facts.label(c.first)} − {facts.label(c.second)}", same))
    if not rows:
        return None
    columns = (Column("Metric", align="left"), Column("Systems", align="left"), Column("orders them", align="left"))
    note = f"{facts.question(facts.asked[0])}. One call a pair of systems is no measure of agreement: no interval."
    return Table("Metrics of whole sets against the votes", columns, tuple(rows), note)


def _bare(found: list[Agreement]) -> dict[str, Number]:
    numbers: dict[str, Number] = {f"{one.question}/agreement with {one.name}": one.accuracy for one in found}
    return numbers | {f"{one.question}/tau-b with {one.name}": one.tau for one in found if one.tau is not None}
