"""The prompt lottery: had ten random prompts been drawn, how often would a metric have named the other winner?

It needs no raters, and answers a published comparison on ten prompts directly.
"""

from __future__ import annotations

import numpy as np

from evalkit.sections._blocks import Table
from evalkit.sections._rows import Row, row_table
from evalkit.sections._scores import Scores, image_scores
from evalkit.sections._study import Facts
from evalkit.stats.pairing import prompt_lottery
from evalkit.store.run import Run

DRAW = 10
NOTE = (
    f"How often {DRAW} prompts, drawn at random from the study's, have the higher mean for the system that is behind "
    "over all prompts; near 50 % the winner of such a comparison is luck. n: draws. The interval is Monte-Carlo error."
)


def lottery_rows(run: Run, scores: Scores, facts: Facts) -> list[Row]:
    """A row a metric of level "image" and pair of systems; nothing where no more than ten prompts were scored."""
    if not run.has("images.parquet"):
        return []
    images = run.read_table("images.parquet", "images")
    counted = images[images["image_index"] < facts.study.images]
    rows = []
    for metric, table in image_scores(run, scores).items():
        valued = counted.assign(value=counted["key"].map(table)).dropna(subset=["value"])
        means = valued.groupby(["system", "prompt_key"])["value"].mean()
        for first, second in facts.pairs:
            if first not in means.index or second not in means.index:
                continue
            differences = (means[first] - means[second]).dropna().to_numpy()
            if scores.lower_is_better(metric):
                differences = -differences
            if differences.size > DRAW and np.ptp(differences) > 0:
                found = prompt_lottery(differences, rng=facts.random(), draw=DRAW)
                label = f"{metric}: {facts.label(first)} against {facts.label(second)}"
                rows.append(Row(label, f"{metric}/{first}-{second}/prompt lottery", found.other_wins))
    return rows


def lottery_table(rows: list[Row], facts: Facts) -> Table:
    """The rows as a table."""
    return row_table(f"Prompt lottery: {DRAW} random prompts name the other winner", rows, facts, NOTE)
