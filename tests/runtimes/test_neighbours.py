"""How much of the processor other work takes: by hand, on this machine, and with a planted neighbour."""

import os
import subprocess
import sys
import time

import pytest

from evalkit.runtimes._neighbours import Clocks, clocks, share_of_others


def test_by_hand() -> None:
    before, after = Clocks(100.0, 40.0, 5.0), Clocks(120.0, 54.0, 15.0)
    assert share_of_others(before, after) == pytest.approx((14 - 10) / 20)
    assert share_of_others(before, before) is None and share_of_others(None, after) is None


def test_the_columns_of_linux(tmp_path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 800 50 1 2 3 0 0\ncpu0 1 1 1 1\n")
    found, second = clocks(stat), os.sysconf("SC_CLK_TCK")
    assert (found.total * second, found.busy * second) == (1006, 156)  # guests are counted with their hosts
    (tmp_path / "stat").write_text("no clocks\n")
    assert clocks(stat) is None and clocks(tmp_path / "absent") is None


@pytest.mark.skipif(clocks() is None, reason="this system does not tell")
def test_a_neighbour_is_seen() -> None:
    """The planted fault: another process that computes for as long as we wait."""
    code = "import time; end = time.monotonic() + 1.0\nwhile time.monotonic() < end: pass"
    before = clocks()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    time.sleep(0.05)
    assert share_of_others(before, clocks()) > 0.5 / os.cpu_count() / 2
