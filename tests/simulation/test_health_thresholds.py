"""The health card's frozen thresholds raise few false alarms and miss few faults; the committed table is whole."""

import pytest

from evalkit.stats import health
from tests.simulation.health import RESULTS, RUNS, VERDICTS, table

MOST = 0.05 + 2 * (0.05 * 0.95 / RUNS) ** 0.5
"""The target and two Monte-Carlo errors."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_false_alarms_and_misses_are_rare(monkeypatch):
    assert [row for row in table() if row.wrong > MOST] == []
    monkeypatch.setattr(health, "BIAS_FINE", 0.9)  # the twin: a threshold that lets everything pass is seen
    assert max(row.wrong for row in table(runs=20) if row.panel == "biased") > MOST


def test_the_committed_table_is_complete_and_within_its_targets():
    text = RESULTS.read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines()]
    cells = [line for line in lines if line[2:3] in (["yes"], ["no"], ["between"])]
    assert f"{RUNS} sets" in text and {line[0] for line in cells} == {"fragile", "biased", "people", "memorisation"}
    assert all(sum(map(float, line[3:])) == pytest.approx(1, abs=0.003) and len(line) == 7 for line in cells)
    fine = 3 + VERDICTS.index("fine")
    assert all(1 - float(line[fine]) <= MOST for line in cells if line[2] == "yes")
    assert all(float(line[fine]) <= MOST for line in cells if line[2] == "no")
    assert health.SIMULATED
