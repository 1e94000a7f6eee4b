"""How raters behave: the side they favour, whether they agree, whether they repeat themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.sections import _format
from evalkit.sections._rows import Row
from evalkit.sections._study import Facts
from evalkit.sections._votes import CHOICES, Ballots, named_choice, of_pair
from evalkit.stats.agreement import gwet_ac1, krippendorff_alpha, raw_agreement
from evalkit.stats.estimate import Estimate
from evalkit.stats.position import as_probability, order_effect, position_effect, repeat_consistency

if TYPE_CHECKING:
    import pandas as pd


def position_rows(ballots: Ballots, facts: Facts) -> list[Row]:
    """Chance of the left image between equal systems, by question and pair."""
    rows = []
    for question in facts.asked:
        for first, second in facts.pairs:
            mine = of_pair(ballots.counted, question, first, second)
            mine = mine[mine["outcome"] != 0]
            a_left = (mine["side_shown"] == "left").to_numpy()
            effect = position_effect(
                (mine["outcome"] > 0).to_numpy() == a_left,
                a_left,
                mine["prompt_code"].to_numpy(),
                mine["rater_code"].to_numpy(),
                confidence=facts.study.analysis.confidence,
            )
            pair = f", {facts.label(first)} v {facts.label(second)}" if len(facts.pairs) > 1 else ""
            name = f"{question}/{first}-{second}/left image wins"
            rows.append(Row(f"{facts.question(question)}{pair}", name, effect.left_if_equal))
        if len(facts.pairs) > 1:
            rows.append(_over_all_pairs(ballots, question, facts))
    return rows


def _over_all_pairs(ballots: Ballots, question: str, facts: Facts) -> Row:
    """The position effect in one model of all systems."""
    votes = ballots.counted[ballots.counted["question"] == question]
    found = order_effect(
        votes["system_a"].to_numpy(),
        votes["system_b"].to_numpy(),
        votes["outcome"].to_numpy(),
        (votes["side_shown"] == "left").to_numpy(),
        votes["prompt_code"].to_numpy(),
        votes["rater_code"].to_numpy(),
        confidence=facts.study.analysis.confidence,
    )
    return Row(f"{facts.question(question)}, all pairs", f"{question}/all/left image wins", as_probability(found))


def agreement_rows(ballots: Ballots, facts: Facts) -> list[Row]:
    """Krippendorff's alpha (four answers; decisive answers only), Gwet's AC1 and raw agreement, by question."""
    rows = []
    for question in facts.asked:
        votes = ballots.counted[ballots.counted["question"] == question]
        items = votes.groupby(["image_a", "image_b"], sort=True).ngroup().to_numpy()
        ratings, decisive = named_choice(votes).to_numpy().astype(str), (votes["outcome"] != 0).to_numpy()
        choices = len(CHOICES) if len(facts.pairs) == 1 else None
        options: dict[str, Any] = {"confidence": facts.study.analysis.confidence}
        topic = facts.question(question)
        found: dict[str, Estimate] = {
            "Krippendorff alpha, four answers": krippendorff_alpha(items, ratings, rng=facts.random(), **options),
            "Krippendorff alpha, one system or the other": krippendorff_alpha(
                items[decisive], ratings[decisive], rng=facts.random(), **options
            ),
            "Gwet AC1": gwet_ac1(items, ratings, rng=facts.random(), categories=choices, **options),
            "raw agreement": raw_agreement(items, ratings, rng=facts.random(), **options),
        }
        prompts, raters = votes["prompt_key"].nunique(), votes["rater"].nunique()
        for name, estimate in found.items():
            write = _format.share if name == "raw agreement" else _format.measure
            rows.append(
                Row(f"{topic}: {name}", f"{question}/{name}", replace(estimate, prompts=prompts, raters=raters), write)
            )
    return rows


def consistency_rows(ballots: Ballots, facts: Facts) -> list[Row]:
    """The answers of a rater to a pair and to the same pair again; empty where none was shown twice."""
    rows = []
    for question in facts.asked:
        both = _twice(ballots, question)
        if both.empty:
            continue
        found = repeat_consistency(
            both["choice_x"].to_numpy().astype(str),
            both["choice_y"].to_numpy().astype(str),
            both["prompt_code_x"].to_numpy(),
            both["rater_code_x"].to_numpy(),
            confidence=facts.study.analysis.confidence,
        )
        topic = facts.question(question)
        rows += [
            Row(f"{topic}: same answer", f"{question}/repeats, same answer", found.same_system),
            Row(f"{topic}: Cohen kappa", f"{question}/repeats, kappa", found.kappa, _format.measure),
            Row(f"{topic}: kept the side instead", f"{question}/repeats, same side", found.same_side),
        ]
    return rows


def _twice(ballots: Ballots, question: str) -> pd.DataFrame:
    cast = ballots.cast[(ballots.cast["question"] == question) & ~ballots.cast["rater"].isin(_excluded(ballots))]
    keys = ["rater", "image_a", "image_b"]
    return cast[cast["kind"] == "vote"].merge(cast[cast["kind"] == "repeat"], on=keys)


def _excluded(ballots: Ballots) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return ballots.raters.loc[ballots.raters["excluded_because"] != "", "rater"].to_numpy()
