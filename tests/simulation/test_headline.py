"""The headline's coverage and level over simulated studies, and the naive test beside it, which must fail."""

import re

import pytest

from tests.simulation.headline import RESULTS, RUNS, Row, distance_table, headline_table, share_table


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return headline_table()


def widest(row: Row) -> float:
    """Allowed mean half-width over an oracle's: few raters pay for their t, and without clusters the max is wide."""
    if row.raters < 5:
        return 1.9
    return 1.25 if row.clustered and row.raters > 5 else 1.6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_true_null_is_rejected_at_most_seven_times_in_a_hundred(rows: list[Row]) -> None:
    assert {row.design for row in rows if row.null_rejected > 0.07} == set()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_cover_the_truth(rows: list[Row]) -> None:
    assert [row for row in rows if row.coverage < (0.93 if row.raters >= 5 else 0.92)] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_are_not_wide_for_nothing(rows: list[Row]) -> None:
    assert [row for row in rows if row.width > widest(row)] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_naive_test_is_red_wherever_votes_are_clustered(rows: list[Row]) -> None:
    """The planted twin: the same check on the sign test must fail, or the check sees nothing."""
    strong = [row for row in rows if row.effects.rater_sd == 0.7]
    assert all(row.naive_rejected > 0.10 for row in strong)
    assert all(row.naive_rejected <= 0.06 for row in rows if not row.clustered)
    assert all(row.by_prompt_rejected > 0.07 for row in strong if row.effects.prompt_sd < 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_shares_and_log_ratios_cover_the_truth_and_the_naive_share_does_not() -> None:
    table = share_table()
    assert [row for row in table if min(row.share, row.log_ratio) < 0.93 - 2 * 0.011] == []  # two Monte-Carlo errors
    assert min(row.naive_share for row in table) < 0.80


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_distances_cover_the_truth_where_an_interval_is_offered() -> None:
    table = [row for row in distance_table() if row.dimensions > 3]
    assert [row for row in table if row.coverage < 0.93] == []


def test_the_committed_table_is_complete_and_within_its_targets() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    headline = text.split("## Shares")[0]
    table = [line.split(" | ") for line in headline.splitlines() if re.match(r"\| \d+ x ", line)]
    assert len(table) == 63 and str(RUNS) in text
    assert all(float(cells[2]) <= 0.07 and float(cells[3]) >= 0.92 for cells in table)
