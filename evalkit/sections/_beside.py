"""What stands beside the planned tests: the same votes in other measures, naive results, rankings of many systems."""

from __future__ import annotations

from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Table
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots, Contrast, of_pair
from evalkit.spec.study import NEITHER
from evalkit.stats.bootstrap import two_way_bootstrap_mean
from evalkit.stats.bradley_terry import clustered_log_ratio, davidson, elo, rao_kupper
from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.power import smallest_detectable_share
from evalkit.stats.proportion import goodman, sign_test, trinomial_test
from evalkit.stats.sequential import e_value
from evalkit.stats.strengths import Ranking, rank_systems
from evalkit.store.run import Run


def naive_table(found: list[Contrast], ballots: Ballots, facts: Facts) -> Table:
    """The same votes in other measures; what takes every vote as independent is named naive."""
    head = [Column("Measure", align="left")]
    cells: list[list[str]] = [[name] for name in _MEASURES]
    for contrast in found:
        pair = f"{facts.label(contrast.first)} v {facts.label(contrast.second)}" if len(facts.pairs) > 1 else ""
        head.append(Column(facts.question(contrast.question), group=pair))
        for row, cell in zip(cells, _measures(contrast, ballots, facts), strict=True):
            row.append(cell)
    note = (
        "Naive: takes every vote as independent, and so is too sure of itself. “Neither” stays out of the decisive "
        "share, the log-ratio and the trinomial test. Design effect: clustered over naive variance. The e-value is "
        "valid only where no two votes share a prompt or a rater."
    )
    return Table("Other measures of the same votes", tuple(head), tuple(map(tuple, cells)), note)


_MEASURES = (
    "Decisive votes won by the first, W / (W + L)",
    "Log-ratio ln(W / L), Bradley-Terry and Davidson",
    "The same in Elo points",
    "Davidson's tie parameter, T / √(W L)",
    "The same with “neither” as a tie",
    "Rao-Kupper's log-ratio and threshold",
    "Net preference without “neither”",
    "Design effect",
    "Net preference, two-way bootstrap (cross-check)",
    "Net preference, naive interval",
    "Sign test, naive",
    "Sign test with mid-p, naive",
    "Trinomial test, naive",
    "All shares at once, naive (Goodman): first system",
    "second system",
    "on par",
    "neither",
    "Smallest share that so many decisive votes show (power .80), naive",
    "e-value against no preference",
)
SHOWN_PROMPTS = 8
MOST_CLUSTERS = 3000
"""Prompts and raters up to which the bootstrap is made: beyond, the closed form stands alone."""


def _measures(contrast: Contrast, ballots: Ballots, facts: Facts) -> list[str]:
    mine = of_pair(ballots.counted, contrast.question, contrast.first, contrast.second)
    confidence = facts.study.analysis.confidence
    wins, losses, ties, neither = (contrast.counts[answer] for answer in contrast.answers)
    outcome, groups = mine["outcome"].to_numpy(), (mine["prompt_code"].to_numpy(), mine["rater_code"].to_numpy())
    decisive, judged = outcome != 0, (mine["choice"] != NEITHER).to_numpy()
    ratio = clustered_log_ratio(outcome, *groups, confidence=confidence)
    won = clustered_share(outcome[decisive] > 0, *(labels[decisive] for labels in groups), confidence=confidence)
    without = clustered_mean(outcome[judged], *(labels[judged] for labels in groups), confidence=confidence)
    nu, failing = (davidson(wins, losses, undecided).tie_parameter for undecided in (ties, ties + neither))
    effect = contrast.preference.design_effect
    tests = (sign_test(wins, losses), sign_test(wins, losses, mid_p=True), trinomial_test(wins, losses, ties))
    return [
        _format.share(won, n=True),
        _format.measure(ratio, signed=True),
        _format.measure(elo(ratio), signed=True),
        "–" if nu is None else f"{nu:.2f}",
        "–" if failing is None else f"{failing:.2f}",
        _rao_kupper(wins, losses, ties),
        _format.points(without.estimate),
        "–" if effect is None else f"{effect:.2f}",
        _bootstrap(contrast, outcome, groups, facts),
        _format.points(contrast.preference.naive),
        *(_format.p_text(test.p) for test in tests),
        *(_format.share(share) for share in goodman([wins, losses, ties, neither], confidence=confidence)),
        _detectable(wins + losses),
        _e_value(contrast, wins, losses),
    ]


def _rao_kupper(wins: int, losses: int, ties: int) -> str:
    found = rao_kupper(wins, losses, ties)
    if found.log_ratio is None or found.tie_parameter is None:
        return "–"
    return f"{_format.signed(found.log_ratio)}, {found.tie_parameter:.2f}"


def _bootstrap(contrast: Contrast, outcome: Any, groups: tuple[Any, Any], facts: Facts) -> str:
    estimate = contrast.preference.estimate
    if (estimate.prompts or 0) + (estimate.raters or 0) > MOST_CLUSTERS or not contrast.n:
        return "–"
    confidence = facts.study.analysis.confidence
    return _format.points(two_way_bootstrap_mean(outcome, *groups, rng=facts.random(), confidence=confidence))


def _detectable(decisive: int) -> str:
    share = smallest_detectable_share(decisive) if decisive else None
    return "none" if share is None else _format.percent(share)


def _e_value(contrast: Contrast, wins: int, losses: int) -> str:
    """Valid for independent votes only: each with a prompt and a rater of its own."""
    estimate = contrast.preference.estimate
    if not contrast.n or (estimate.prompts, estimate.raters) != (contrast.n, contrast.n):
        return "not valid"
    return f"{e_value(wins, losses).value:.3g}"


def neither_blocks(run: Run, ballots: Ballots, facts: Facts) -> list[Block]:
    """The prompts on which most votes said that both images fail; none where nobody said so."""
    votes = ballots.counted.assign(failed=ballots.counted["choice"] == NEITHER)
    if not votes["failed"].any():
        return []
    counted = votes.groupby(["question", "prompt_key", "lang"], as_index=False)["failed"].agg(["sum", "count"])
    counted = counted.assign(share=counted["sum"] / counted["count"])
    worst = counted[counted["sum"] > 0].sort_values(["share", "sum", "prompt_key"], ascending=[False, False, True])
    columns = (*(Column(title, align="left") for title in ("Prompt", "Question")), Column("neither", "of votes"))
    texts = _texts(run)
    rows = tuple(
        (
            texts.get((row["prompt_key"], row["lang"]), row["prompt_key"]),
            facts.question(row["question"]),
            f"{row['sum']} of {row['count']}",
        )
        for row in worst.head(SHOWN_PROMPTS).to_dict("records")
    )
    prompts = counted.groupby(["prompt_key", "lang"])["sum"].sum()
    note = f"On {int((prompts > 0).sum())} of {len(prompts)} prompts somebody said that both images fail."
    return [Table("Prompts on which both images fail most often", columns, rows, note)]


def _texts(run: Run) -> dict[tuple[str, str], str]:
    """(prompt key, language) -> text of the prompt."""
    if not run.has("images.parquet"):
        return {}
    images = run.read_table("images.parquet", "images").drop_duplicates(["prompt_key", "lang"])
    named = images[["prompt_key", "lang", "prompt"]].to_numpy().tolist()
    return {(key, lang): _format.tame(prompt, 80) for key, lang, prompt in named}


def ranking_blocks(ballots: Ballots, facts: Facts) -> list[Block]:
    """Strengths and rank ranges of three or more systems, a table a question."""
    if len(facts.systems) < 3:
        return []
    return [_ranking_table(question, _rank(question, ballots, facts), facts) for question in facts.asked]


def _rank(question: str, ballots: Ballots, facts: Facts) -> Ranking:
    votes = ballots.counted[(ballots.counted["question"] == question) & (ballots.counted["choice"] != NEITHER)]
    return rank_systems(
        votes["system_a"].tolist(),
        votes["system_b"].tolist(),
        votes["outcome"].to_numpy(),
        votes["prompt_code"].to_numpy(),
        votes["rater_code"].to_numpy(),
        confidence=facts.study.analysis.confidence,
    )


def _ranking_table(question: str, ranking: Ranking, facts: Facts) -> Table:
    columns = (
        Column("System", align="left"),
        Column("log-strength", f"{facts.confidence} interval"),
        Column("votes", "n"),
        Column("ranks not ruled out"),
    )
    rows = tuple(
        (
            facts.label(s.system),
            _format.measure(s.estimate, signed=True),
            _format.count(s.estimate.n),
            _ranks(s.best_rank, s.worst_rank),
        )
        for s in ranking.strengths
    )
    said = _format.sentence(ranking.note) + "." if ranking.note else f"{ranking.method}; the mean of all systems is 0."
    return Table(f"{facts.question(question)}: strengths of all systems", columns, rows, said)


def _ranks(best: int | None, worst: int | None) -> str:
    if best is None or worst is None:
        return "–"
    return str(best) if best == worst else f"{best} to {worst}"
