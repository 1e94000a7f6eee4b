"""Runs of the simulator, and reports made from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.stages.report import compose
from evalkit.store.run import Run
from tests.sections.simulated_run import Plan, simulate_run


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., Run]:
    """`simulate(prompts=30, effect=0.0)`: the run folder of such a study."""
    return lambda **plan: simulate_run(tmp_path / "runs" / "simulated-ab12cd34", Plan(**plan))


@pytest.fixture
def composed(simulate: Callable[..., Run]) -> Callable[..., dict[str, Any]]:
    """As `simulate`, but the sections of the report by name, and its notices."""

    def make(**plan: Any) -> dict[str, Any]:
        record = compose(simulate(**plan))
        return {section["name"]: section for section in record["sections"]} | {"notices": record["notices"]}

    return make
