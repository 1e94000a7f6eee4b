"""What the card says of metrics that agree with people, that do not, that are reversed; the lottery; the forest."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from evalkit.sections import health, metrics
from evalkit.sections._differences import standardised
from evalkit.sections._health_curve import _line
from evalkit.sections._lottery import lottery_rows
from evalkit.sections._scores import Comparison, read_scores
from evalkit.sections._study import read_facts
from evalkit.stats import health as thresholds
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run
from tests.sections.health_rows import card


def with_scores(run: Run, value: Callable[[float, np.random.Generator], float]) -> Run:
    """Scores made of the share of decisive votes that an image won against its rival (0 to 1, .5 without any)."""
    votes = run.read_table("votes.parquet", "votes")
    votes = votes[(votes["question"] == "aesthetics") & (votes["kind"] == "vote") & votes["choice"].isin(["a", "b"])]
    won: dict[str, list[float]] = {}
    for vote in votes.itertuples():
        won.setdefault(vote.image_a, []).append(float(vote.choice == "a"))
        won.setdefault(vote.image_b, []).append(float(vote.choice == "b"))
    rng, table = np.random.default_rng(0), run.read_table("scores/clip_score.parquet", "scores_image")
    table["value"] = [value(float(np.mean(won.get(key, [0.5]))), rng) for key in table["image_key"]]
    run.write_table("scores/clip_score.parquet", table, "scores_image")
    return run


def people(run: Run) -> tuple[str, str]:
    section = health.section(run)
    row = next(row for row in section.blocks[0].rows if row[0] == "Inconsistent with people")
    return row[1], row[2]


@pytest.fixture(autouse=True)
def simulated(monkeypatch):
    """As with the table of the thresholds at hand."""
    monkeypatch.setattr(thresholds, "SIMULATED", True)


@pytest.fixture
def voted(simulate) -> Run:
    return simulate(prompts=40, raters=8, effect=0.8, prompt_sd=0.6)


def test_a_metric_that_follows_the_votes_is_fine_and_its_tau_is_high(voted):
    run = with_scores(voted, lambda share, rng: share)
    assert people(run)[0] == "Fine"
    numbers = health.section(run).numbers
    assert numbers["aesthetics/tau-b with clip_score"].low > 0.5
    accuracy, raters = (numbers[f"aesthetics/agreement with {name}"] for name in ("clip_score", "raters"))
    assert accuracy.value >= raters.value > 0.5  # it saw the votes themselves, so it may beat the others' majority


def test_planted_noise_is_no_agreement_and_a_reversed_metric_must_not_be_used(simulate, voted):
    assert people(with_scores(voted, lambda share, rng: rng.normal()))[0] == "Caution"
    verdict, sentence = people(with_scores(voted, lambda share, rng: -share))
    assert verdict == "Do not use" and "where raters agree" in sentence
    assert health.section(voted).numbers["aesthetics/tau-b with clip_score"].high < 0


def test_simulated_votes_are_never_called_people(voted):
    assert "votes are simulated" in people(voted)[1]


def test_without_votes_the_panel_says_so(simulate):
    assert people(simulate(parts=("images", "scores"))) == (
        "Not assessable",
        "No votes yet: whether the metrics agree with people is not known.",
    )


def test_without_scores_there_is_no_card(simulate):
    assert health.section(simulate(parts=("images", "votes"))) is None


def test_the_lottery_is_the_share_of_all_draws_that_name_the_other(simulate):
    run = simulate(prompts=12, parts=("images", "scores"), study={"images": 3})
    table = run.read_table("scores/clip_score.parquet", "scores_image").set_index("image_key")["value"]
    images = run.read_table("images.parquet", "images")
    means = images.assign(value=images["key"].map(table)).groupby(["system", "prompt_key"])["value"].mean()
    differences = (means["deci-30"] - means["sd15-50"]).to_numpy()
    other = [np.mean(differences[list(drawn)]) * differences.mean() < 0 for drawn in combinations(range(12), 10)]
    (row,) = lottery_rows(run, read_scores(run), read_facts(run))
    assert row.estimate.value == pytest.approx(np.mean(other), abs=0.02)
    assert any("Prompt lottery" in getattr(block, "title", "") for block in metrics.section(run).blocks)


def test_a_planted_clear_winner_wins_every_draw(simulate):
    run = simulate(prompts=12, parts=("images", "scores"), study={"images": 3})
    table = run.read_table("scores/clip_score.parquet", "scores_image")
    images = run.read_table("images.parquet", "images").set_index("key")["system"]
    table["value"] += 100.0 * (images[table["image_key"]].to_numpy() == "deci-30")
    run.write_table("scores/clip_score.parquet", table, "scores_image")
    (row,) = lottery_rows(run, read_scores(run), read_facts(run))
    assert row.estimate.value == 0


def comparison(metric: str, estimate: Estimate) -> Comparison:
    return Comparison(metric, "deci-30", "sd15-50", "signed", estimate, 0.04, 0.04)


def test_the_forest_has_one_scale_on_which_right_is_better(simulate):
    from scipy import stats

    run = simulate(parts=("images", "scores"))
    scores, facts = read_scores(run), read_facts(run)
    values = np.random.default_rng(3).normal(0.5, 2, 30)
    told = stats.ttest_1samp(values, 0)
    low, high = told.confidence_interval()
    estimate = Estimate(float(values.mean()), float(low), float(high), 30, "paired t by prompt")
    up = standardised(comparison("clip_score", estimate), scores, facts)
    assert up.value == pytest.approx(values.mean() / values.std(ddof=1), rel=1e-6)
    down = standardised(comparison("fd_lite0", estimate), scores, facts)  # lower is better
    assert (down.value, down.low, down.high) == pytest.approx((-up.value, -up.high, -up.low))
    assert standardised(comparison("clip_score", Estimate(1.0, None, None, 30, "")), scores, facts) is None


def test_unlike_signatures_never_share_a_column_and_like_ones_do(simulate):
    def heads(change: Callable[[dict[str, Any]], None]) -> list[str]:
        run = simulate(parts=("images", "scores"))
        record = run.read_json("metrics.json")
        mine = [row for row in record["values"] if row["metric"] == "clip_score" and row["slice"] == "all"]
        change(mine[1])
        run.write_json("metrics.json", record)
        table = metrics.section(run).blocks[0]
        return [column.group for column in table.columns if column.group.startswith("clip_score")]

    assert len(set(heads(lambda row: None))) == 1
    assert len(set(heads(lambda row: row.update(signature="made otherwise")))) == 2


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({}, {"Fragile": "Fine", "Biased": "Fine", "Rewards memorisation": "Fine"}),
        ({"change": 3.0}, {"Fragile": "Caution"}),
        ({"change": 5.0}, {"Fragile": "Do not use"}),
        ({"corrected": 5.0}, {"Biased": "Do not use"}),
        ({"copies": 100 * 6 / 128}, {"Rewards memorisation": "Do not use"}),
    ],
)
def test_measured_panels_give_the_verdict_that_was_planted(simulate, planted, expected):
    run = simulate(parts=("images", "scores"), study={"training_set": "data/somewhere"})
    run.write_table("health.parquet", card("deci-30", **planted), "health")
    section = health.section(run)
    verdicts = {row[0]: row[1] for row in section.blocks[0].rows}
    assert {name: verdicts[name] for name in expected} == expected
    assert {"health-fragile", "health-bias"} <= {getattr(block, "name", "") for block in section.blocks}
    assert section.numbers["biased/deci-30/corrected"].n == 128


def bias_figure(simulate, table):
    run = simulate(parts=("images", "scores"), study={"training_set": "data/somewhere"})
    run.write_table("health.parquet", table, "health")
    section = health.section(run)
    return section, next(block for block in section.blocks if getattr(block, "name", "") == "health-bias")


def test_the_fitted_line_is_drawn_to_its_end_where_there_is_one(simulate):
    table = card("deci-30", corrected=10.0)
    _, figure = bias_figure(simulate, table)
    assert "FD-infinity = 10" in figure.alt and ">FD-infinity<" in figure.panels[0].svg
    assert "stroke-dasharray" in figure.panels[0].svg and "no valid interval" in figure.subtitle
    table.loc[table["measure"] == "FD-infinity", "value"] = np.nan  # the twin: there is no end to draw
    _, figure = bias_figure(simulate, table)
    assert "FD-infinity" not in figure.alt and "stroke-dasharray" not in figure.panels[0].svg
    assert "there is no FD-infinity" in figure.subtitle


def test_the_line_has_the_end_and_the_slope_that_least_squares_gives():
    points = [(1 / n, 3 + 40 / n + 0.01 * np.sin(n)) for n in (20, 30, 50, 80, 100)]
    slope, end = np.polyfit(*np.array(points).T, 1)
    (x, y), (last, height) = _line(points, end)
    assert (x, y) == (0, end) and last == 1 / 20 and height == pytest.approx(end + slope / 20, rel=1e-12)


def test_a_part_of_the_images_and_a_reference_of_statistics_are_said(simulate):
    table = card("deci-30")
    table.loc[table["measure"] == "FD-pca64", "note"] = "20 groups; 128 of 900 images, of 64 prompts drawn by seed 0"
    section, _ = bias_figure(simulate, table)
    words = {row[0]: row[2] for row in section.blocks[0].rows}
    assert words["Fragile"].endswith("Measured on 128 of 900 images, of 64 prompts drawn by seed 0.")
    reason = "the training set is known by its mean and covariance only"
    table = table[~table["measure"].isin(["corrected", "plain on axes", "suspected copies"])].copy()
    for measure in ("AuthPct", "FD-infinity"):
        table.loc[table["measure"] == measure, ["value", "note"]] = [np.nan, reason]
    section, _ = bias_figure(simulate, table)
    words = {row[0]: row[1:] for row in section.blocks[0].rows}
    assert words["Biased"] == words["Rewards memorisation"] == ("Not assessable", f"Not judged: {reason}.")


def test_without_the_training_set_the_best_verdict_is_not_assessable(simulate):
    run = simulate(parts=("images", "scores"))
    run.write_table("health.parquet", card("deci-30"), "health")
    row = next(row for row in health.section(run).blocks[0].rows if row[0] == "Rewards memorisation")
    assert row[1] == "Not assessable" and "names no training set" in row[2]
