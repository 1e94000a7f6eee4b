"""False alarms and misses of the health card's verdicts over simulated truths."""

import pytest

from tests.simulation.health import RESULTS, as_markdown, table


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_healthy_truths_are_called_fine_and_faults_are_not_and_the_table_is_current() -> None:
    rows = table()
    assert [row for row in rows if row.healthy and row.false_alarm > 0.05] == []
    assert [row for row in rows if not row.healthy and row.shares["fine"] > 0.05] == []
    assert RESULTS.read_text(encoding="utf-8") == as_markdown(rows)
