"""Set metrics' intervals cover their truth; a bootstrap of a Frechet distance does not, or the check sees nothing."""

import pytest

from tests.simulation.set_metrics import RESULTS, table

ENOUGH = 0.93 - 2 * 0.011  # two Monte-Carlo errors


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_printed_intervals_cover_and_the_bootstrap_does_not() -> None:
    rows = table()
    assert [row for row in rows if row.printed and row.coverage < ENOUGH] == []
    assert all(row.coverage < 0.5 for row in rows if "bootstrap" in row.name)


def test_the_committed_table_is_complete_and_within_its_targets() -> None:
    lines = [line.strip("| ").split(" | ") for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    cells = [line for line in lines if line[-1] in ("yes", "no")]
    assert len(cells) == 21
    assert all(float(line[5]) >= ENOUGH for line in cells if line[-1] == "yes")
    assert all(float(line[5]) < 0.5 for line in cells if "bootstrap" in line[0])
