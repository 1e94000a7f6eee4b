"""Does a metric agree with people? Its share of right calls, beside what one rater achieves against the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalkit.sections._blocks import Table
from evalkit.sections._rows import Row, row_table
from evalkit.sections._scores import Scores, image_scores
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots
from evalkit.stats.clustered import clustered_share
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

NOTE = (
    "Share of decisive votes that went to the image with the better score; 50 % is chance. Raters: each vote against "
    "the majority of the others on the same pair, which shows how much agreement there is to reach. Equal scores and "
    "pairs without a majority are left out."
)


def people_rows(run: Run, scores: Scores, ballots: Ballots, facts: Facts) -> list[Row]:
    """One row a question and metric of level "image", and one for the raters themselves."""
    known = image_scores(run, scores)
    rows = []
    for question in facts.asked if known else []:
        votes = ballots.counted[(ballots.counted["question"] == question) & (ballots.counted["outcome"] != 0)]
        calls = {metric: _score_calls(votes, table, scores.lower_is_better(metric)) for metric, table in known.items()}
        calls["raters"] = _other_raters(votes)
        rows += [
            Row(
                f"{facts.question(question)}: {name}",
                f"{question}/agreement with {name}",
                _agreement(votes, call, facts),
            )
            for name, call in calls.items()
        ]
    return rows


def people_table(rows: list[Row], facts: Facts) -> Table:
    """The rows as a table."""
    return row_table("Agreement with people", rows, facts, NOTE)


def _score_calls(votes: pd.DataFrame, table: dict[str, float], lower_is_better: bool) -> npt.NDArray[np.float64]:
    """1 where the metric prefers system_a's image, -1 system_b's, 0 where it cannot tell."""
    difference = (votes["image_a"].map(table) - votes["image_b"].map(table)).to_numpy(dtype=np.float64)
    return np.asarray(np.sign(np.nan_to_num(difference)) * (-1 if lower_is_better else 1))


def _other_raters(votes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The majority of the others' decisive votes on the same pair."""
    total = votes.groupby(["image_a", "image_b"])["outcome"].transform("sum")
    own = votes.groupby(["image_a", "image_b", "rater"])["outcome"].transform("sum")
    return np.asarray(np.sign((total - own).to_numpy(dtype=np.float64)))


def _agreement(votes: pd.DataFrame, call: npt.NDArray[np.float64], facts: Facts) -> Estimate:
    told = call != 0
    hits = call[told] == votes["outcome"].to_numpy()[told]
    groups = votes["prompt_code"].to_numpy()[told], votes["rater_code"].to_numpy()[told]
    return clustered_share(hits, *groups, confidence=facts.study.analysis.confidence)
