"""What `evalkit bench` measured: seconds per image and per step, and the ratios of two systems within rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.sections._study import Facts
from evalkit.stats.estimate import Estimate
from evalkit.stats.ratio import median_band, paired_ratio
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "image"


@dataclass(frozen=True)
class Latency:
    """The measurements of a run; `record` is latency.json."""

    table: pd.DataFrame
    record: dict[str, Any]

    @property
    def cells(self) -> list[dict[str, Any]]:
        """A record for each system, runtime and batch size."""
        found: list[dict[str, Any]] = self.record["cells"]
        return found

    @property
    def settings(self) -> list[tuple[str, int]]:
        """Runtimes and batch sizes, as they were measured."""
        return list(dict.fromkeys((cell["runtime"], cell["batch_size"]) for cell in self.cells))

    def label(self, system: str, facts: Facts) -> str:
        """A system by its model alone, since columns tell steps apart; by its own name where several share a model."""
        title = {name: facts.cards[name].title.split(" (")[0] for name in facts.systems}
        measured = {cell["system"] for cell in self.cells} | {system}
        alone = [title[name] for name in measured].count(title[system]) == 1
        return title[system] if alone else facts.label(system)

    def runtime(self, name: str) -> str:
        """As it is written: "ONNX Runtime"."""
        found: str = self.record["runtime_titles"][name]
        return found

    def setting(self, setting: tuple[str, int]) -> str:
        """A runtime with a batch size."""
        return f"{self.runtime(setting[0])}, batch {setting[1]}"

    def cell(self, system: str, runtime: str, size: int) -> dict[str, Any] | None:
        named = (system, runtime, size)
        return next((c for c in self.cells if (c["system"], c["runtime"], c["batch_size"]) == named), None)

    def stage(
        self, system: str, runtime: str, size: int, stage: str, steps: int = 0, column: str = "seconds"
    ) -> pd.Series:
        """Seconds of a batch by round; of the clock, or in column `cpu_seconds` of the processor."""
        t = self.table
        mine = (t["system"] == system) & (t["runtime"] == runtime) & (t["batch_size"] == size)
        found = t[mine & (t["stage"] == stage) & (t["steps"] == steps)]
        return found.set_index("round")[column].sort_index()

    def image(self, system: str, runtime: str, size: int, steps: int) -> tuple[pd.Series, bool]:
        """Seconds per image by round, and whether whole images were drawn; if not, the parts are added up."""
        whole = self.stage(system, runtime, size, IMAGE, steps)
        if len(whole):
            return whole / size, True
        cell = self.cell(system, runtime, size)
        import pandas as pd

        calls = cell["network_calls"].get(str(steps)) if cell else None
        if calls is None or not {"text", "step", "vae", "write"} <= set(self.record["stages"]):
            return whole, False
        parts = [self.stage(system, runtime, size, name) * (calls if name == "step" else 1) for name in self._parts()]
        return pd.concat([part for part in parts if len(part)], axis=1).sum(axis=1) / size, False

    def step_ratio(self, first: str, second: str, runtime: str, size: int, confidence: float) -> Estimate:
        """How long a step of `first` takes in those of `second`."""
        pair = [self.stage(system, runtime, size, "step") for system in (first, second)]
        return _ratio(pair[0], pair[1], confidence)

    def processor_ratio(self, first: str, second: str, runtime: str, size: int, confidence: float) -> Estimate:
        """The same by processor time, which other work does not stretch. Of one thread only: several also count the
        time in which they wait for each other."""
        nothing = Estimate(None, None, None, 0, "processor time", note="measured on several threads, or not on a CPU")
        if self.record["device"] != "cpu" or self.record["threads"] != 1:
            return nothing
        pair = [self.stage(system, runtime, size, "step", column="cpu_seconds") for system in (first, second)]
        return _ratio(pair[0], pair[1], confidence)

    def image_ratio(
        self, first: tuple[str, int], second: tuple[str, int], runtime: str, size: int, confidence: float
    ) -> Estimate:
        """How long an image of a (system, steps) takes in those of another."""
        pair = [self.image(system, runtime, size, steps)[0] for system, steps in (first, second)]
        return _ratio(pair[0], pair[1], confidence)

    def _parts(self) -> list[str]:
        return list(self.record["stages"])


def read_latency(run: Run) -> Latency | None:
    """The measurements; None where `evalkit bench` has not run."""
    if not (run.has("latency.parquet") and run.has("latency.json")):
        return None
    return Latency(run.read_table("latency.parquet", "latency"), run.read_json("latency.json"))


def band(seconds: pd.Series) -> Estimate:
    """Median with its 10th and 90th percentiles."""
    return median_band(seconds.to_numpy())


def _ratio(first: pd.Series, second: pd.Series, confidence: float) -> Estimate:
    shared = first.index.intersection(second.index)
    return paired_ratio(
        np.asarray(first.loc[shared], float), np.asarray(second.loc[shared], float), confidence=confidence
    )
