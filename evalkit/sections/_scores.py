"""metrics.json as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run

OVERALL = ("", "all", "overall")
ARROWS = {"higher": " ↑", "lower": " ↓"}


@dataclass(frozen=True)
class Value:
    """One value: of one system, on one part of the prompts, under one signature."""

    metric: str
    system: str
    part: str
    signature: str
    estimate: Estimate

    @property
    def overall(self) -> bool:
        return self.part == "all"


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same prompts under one signature: first minus second."""

    metric: str
    first: str
    second: str
    signature: str
    estimate: Estimate
    p: float | None
    holm_p: float | None


@dataclass(frozen=True)
class Scores:
    """What was computed; `infos` describes each metric."""

    infos: Mapping[str, Mapping[str, Any]]
    values: list[Value]
    comparisons: list[Comparison]

    @property
    def signatures(self) -> list[str]:
        """Every way in which a value was made, in order."""
        return list(dict.fromkeys(value.signature for value in self.values))

    def headed(self, metric: str) -> str:
        """The metric with an arrow towards better."""
        return metric + ARROWS.get(str(self.infos.get(metric, {}).get("direction", "")).split(" ")[0], "")

    def lower_is_better(self, metric: str) -> bool:
        return str(self.infos.get(metric, {}).get("direction", "")).startswith("lower")

    def unit(self, metric: str) -> str:
        return str(self.infos.get(metric, {}).get("unit") or metric)


def read_scores(run: Run) -> Scores | None:
    """metrics.json; None where nothing was scored."""
    if not run.has("metrics.json"):
        return None
    record = run.read_json("metrics.json")
    comparisons = [
        Comparison(
            item["metric"],
            item["system_a"],
            item["system_b"],
            item["signature"],
            _estimate(item),
            item["p"],
            item["p_holm"],
        )
        for item in record["comparisons"]
    ]
    return Scores(record["metrics"], [_value(item) for item in record["values"]], comparisons)


def image_scores(run: Run, scores: Scores) -> dict[str, dict[str, float]]:
    """metric -> image key -> score, for the metrics of level "image"; images without a score are left out."""
    found = {}
    for metric in scores.infos:
        if scores.infos[metric].get("level") == "image" and run.has(f"scores/{metric}.parquet"):
            table = run.read_table(f"scores/{metric}.parquet", "scores_image").dropna(subset=["value"])
            found[metric] = dict(zip(table["image_key"], table["value"], strict=True))
    return found


def _value(item: Mapping[str, Any]) -> Value:
    part = "all" if item["slice"] in OVERALL else str(item["slice"])
    return Value(item["metric"], item["system"], part, item["signature"], _estimate(item))


def _estimate(item: Mapping[str, Any]) -> Estimate:
    return Estimate(
        item["value"], item["low"], item["high"], int(item["n"]), item["method"], note=item.get("note") or None
    )
