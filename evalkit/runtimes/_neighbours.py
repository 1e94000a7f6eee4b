"""How much of the processor other work took while something was measured: what spoils seconds on a shared machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

IDLE = (3, 4)
"""The columns of /proc/stat in which the processor waited: idle, and idle while a disk worked."""


@dataclass(frozen=True)
class Clocks:
    """Seconds since the machine started, summed over its processors: all, those that were busy, and this process's."""

    total: float
    busy: float
    own: float


def clocks(path: Path = Path("/proc/stat")) -> Clocks | None:
    """The clocks now; None on a system that does not tell."""
    try:
        columns = [int(number) for number in path.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    second = os.sysconf("SC_CLK_TCK")
    idle = sum(columns[place] for place in IDLE)
    return Clocks(sum(columns) / second, (sum(columns) - idle) / second, time.process_time())


def share_of_others(before: Clocks | None, after: Clocks | None) -> float | None:
    """The share of all processors' time, 0 to 1, that was busy and not this process's."""
    if before is None or after is None or after.total <= before.total:
        return None
    others = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, others / (after.total - before.total))
