"""The figures of a report against computations that share no code with it."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evalkit.sections._format import p_value
from evalkit.sections._study import read_facts
from evalkit.sections._votes import Ballots, contrasts, read_votes
from evalkit.stages.report import compose
from evalkit.store.run import Run
from tests.sections.simulated_run import Plan, simulate_run

SIZES = {"prompts": 12, "images": 2, "raters": 9}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulate_run(tmp_path_factory.mktemp("runs") / "simulated-ab12cd34", Plan(**SIZES, effect=0.6))


@pytest.fixture(scope="module")
def sections(run: Run) -> dict[str, Any]:
    return {section["name"]: section for section in compose(run)["sections"]}


def counted(run: Run, question: str) -> pd.DataFrame:
    votes = run.read_table("votes.parquet", "votes")
    return votes[(votes["question"] == question) & (votes["kind"] == "vote")]


def two_way(outcome: np.ndarray, prompts: np.ndarray, raters: np.ndarray) -> tuple[float, float]:
    """Variance and degrees of freedom by plain loops over the clusters (statistics of a crossed design)."""
    residual = (outcome - outcome.mean()) / outcome.size

    def one_way(labels: np.ndarray) -> tuple[float, int]:
        names = sorted(set(labels))
        return len(names) / (len(names) - 1) * sum(residual[labels == name].sum() ** 2 for name in names), len(names)

    cells = np.array([f"{p}/{r}" for p, r in zip(prompts, raters, strict=True)])
    (by_prompt, p), (by_rater, r), (by_cell, c) = one_way(prompts), one_way(raters), one_way(cells)
    both = by_prompt + by_rater - by_cell
    if both < max(by_prompt, by_rater):
        return max(by_prompt, by_rater), (p if by_prompt >= by_rater else r) - 1
    df = both**2 / (by_prompt**2 / (p - 1) + by_rater**2 / (r - 1) + by_cell**2 / max(c - p - r + 1, 1))
    return both, max(df, min(p, r) - 1)


@pytest.mark.parametrize("question", ["aesthetics", "alignment"])
def test_the_net_preference_and_its_interval(run: Run, sections: dict[str, Any], question: str) -> None:
    votes, numbers = counted(run, question), sections["study_tables"]["numbers"]
    outcome = votes["choice"].map({"a": 1, "b": -1, "tie": 0, "neither": 0}).to_numpy(float)
    variance, df = two_way(outcome, votes["prompt_key"].to_numpy(), votes["rater"].to_numpy())
    half = stats.t.ppf(0.975, df) * variance**0.5
    found = numbers[f"{question}/deci-30-sd15-50/net preference"]
    assert found["value"] == pytest.approx(outcome.mean(), abs=1e-12)
    assert [found["low"], found["high"]] == pytest.approx([outcome.mean() - half, outcome.mean() + half], abs=1e-9)
    assert (found["n"], found["prompts"], found["raters"]) == (len(votes), 12, 9)
    p = numbers[f"{question}/deci-30-sd15-50/preference test"]["p"]
    assert p == pytest.approx(2 * stats.t.sf(abs(outcome.mean()) / variance**0.5, df), abs=1e-9)


def test_shares_are_wilson_on_the_effective_number_of_votes(run: Run, sections: dict[str, Any]) -> None:
    votes = counted(run, "aesthetics")
    hits = (votes["choice"] == "tie").to_numpy(float)
    variance, df = two_way(hits, votes["prompt_key"].to_numpy(), votes["rater"].to_numpy())
    effect = variance / (hits.var() / hits.size)
    effective = min(hits.size, hits.size / effect * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, df)) ** 2)
    low, high = proportion_confint(hits.mean() * effective, effective, method="wilson")
    found = sections["summary"]["numbers"]["aesthetics/deci-30-sd15-50/share/tie"]
    assert [found["value"], found["low"], found["high"]] == pytest.approx([hits.mean(), low, high], abs=1e-9)


def test_the_tables_columns_add_up_and_hold_every_vote(run: Run, sections: dict[str, Any]) -> None:
    table = sections["study_tables"]["blocks"][0]
    rows = {row[0]: row[1:] for row in table["rows"]}
    answers = ["DeciDiffusion 1.0, 30 steps", "Stable Diffusion 1.5, 50 steps", "On par", "Neither"]
    for column, question in ((0, "aesthetics"), (3, "alignment")):
        counts = [int(rows[answer][column]) for answer in answers]
        expected = counted(run, question)["choice"].value_counts()
        assert counts == [expected.get(choice, 0) for choice in ("a", "b", "tie", "neither")]
        assert sum(counts) == int(rows["All"][column]) == len(counted(run, question))


def test_the_published_table_is_printed_as_it_stands_with_what_it_lacks(sections: dict[str, Any]) -> None:
    blocks = {block["title"]: block for block in sections["study_tables"]["blocks"]}
    printed = [[row[3], row[6]] for row in sections["study_tables"]["blocks"][0]["rows"]]
    assert printed[:4] == [["41.1", "20.8"], ["30.5", "18.8"], ["26.3", "39.1"], ["2.1", "11.4"]]
    assert printed[4:] == [["–", "9.9"], ["100.0", "90.1"]]
    aesthetics, alignment = blocks["What the published percentages allow"]["rows"]
    assert "95 (p = .27)" in aesthetics[3] and aesthetics[2] == "yes"
    assert alignment[3].startswith("202 (p") and "from n = 149" in alignment[3] and "9.9 %" in alignment[2]


def test_holm_covers_every_question_and_pair(sections: dict[str, Any]) -> None:
    numbers = sections["study_tables"]["numbers"]
    p = sorted(numbers[f"{question}/deci-30-sd15-50/preference test"]["p"] for question in ("aesthetics", "alignment"))
    figure = next(block for block in sections["study_tables"]["blocks"] if block["kind"] == "figure")
    expected = [min(1.0, 2 * p[0]), min(1.0, max(2 * p[0], p[1]))]
    assert sorted(row[6] for row in figure["table"]["rows"]) == sorted(map(p_value, expected))


def test_a_metrics_agreement_with_people_beside_that_of_the_raters(run: Run, sections: dict[str, Any]) -> None:
    votes = counted(run, "aesthetics")
    votes = votes[votes["choice"].isin(["a", "b"])]
    scores = run.read_table("scores/clip_score.parquet", "scores_image").set_index("image_key")["value"]
    right = [(scores[vote.image_a] > scores[vote.image_b]) == (vote.choice == "a") for vote in votes.itertuples()]
    with_others = []
    for vote in votes.itertuples():
        others = votes[(votes["image_a"] == vote.image_a) & (votes["rater"] != vote.rater)]["choice"].value_counts()
        if others.get("a", 0) != others.get("b", 0):
            with_others.append((others.get("a", 0) > others.get("b", 0)) == (vote.choice == "a"))
    numbers = sections["health"]["numbers"]
    for name, hits in (("clip_score", right), ("raters", with_others)):
        found = numbers[f"aesthetics/agreement with {name}"]
        assert found["value"] == pytest.approx(np.mean(hits)) and found["n"] == len(hits)


SWAP = {"system_a": "system_b", "system_b": "system_a", "image_a": "image_b", "image_b": "image_a"}


def test_swapping_the_systems_of_the_votes_table_changes_nothing(run: Run) -> None:
    facts = read_facts(run)
    before = contrasts(known(run), facts)
    swapped = run.read_table("votes.parquet", "votes").rename(columns=SWAP)
    swapped["choice"] = swapped["choice"].replace({"a": "b", "b": "a"})
    swapped["side_shown"] = swapped["side_shown"].replace({"left": "right", "right": "left"})
    assert contrasts(known(with_votes(run, swapped)), facts) == before


def test_the_twin_systems_swapped_without_their_choices_are_seen(run: Run) -> None:
    slipped = run.read_table("votes.parquet", "votes").rename(columns=SWAP)
    facts = read_facts(run)
    assert contrasts(known(with_votes(run, slipped)), facts) != contrasts(known(run), facts)


def known(run: Run) -> Ballots:
    ballots = read_votes(run, read_facts(run))
    assert ballots is not None
    return ballots


def with_votes(run: Run, votes: pd.DataFrame) -> Run:
    """A copy of the run with other votes."""
    other = Run(run.folder.with_name(f"other-{len(list(run.folder.parent.iterdir()))}"))
    shutil.copytree(run.folder, other.folder)
    other.write_table("votes.parquet", votes, "votes")
    return other
