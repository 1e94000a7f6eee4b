"""Intervals of paired differences hold the truth as often as they say; the committed table is whole."""

import re
from math import sqrt

import pytest

from tests.simulation.steps import FD_SHIFTS, KID_SCALES, RESULTS, RUNS, SIZES, table

TWICE = 2 * sqrt(0.95 * 0.05 / RUNS)
"""two Monte-Carlo errors"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_paired_differences_cover_the_truth() -> None:
    rows = table(runs=RUNS)
    assert [row for row in rows if row.coverage < 0.93 - TWICE] == []
    assert [row for row in rows if row.truth == 0 and row.excluded > 0.07 + TWICE] == []
    assert max(row.excluded for row in rows) > 0.9  # the twin: a real difference is seen


def test_the_committed_table_is_complete_and_within_its_targets() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (FD|KID),", line)]
    assert len(lines) == len(SIZES) * (len(FD_SHIFTS) + len(KID_SCALES)) and str(RUNS) in text
    assert all(float(coverage) >= 0.93 - TWICE for *_, coverage, _ in lines)
    assert all(float(excluded) <= 0.07 + TWICE for _, _, truth, _, excluded in lines if float(truth) == 0)
