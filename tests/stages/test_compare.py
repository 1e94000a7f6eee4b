"""Two runs beside each other: a planted change is found, the same study run twice shows none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evalkit.errors import RunError, SpecError
from evalkit.settings import Settings
from evalkit.stages.compare import compare, compose, pairs_of
from evalkit.store.run import Run
from tests.conftest import ROOT
from tests.sections.simulated_run import Plan, simulate_run

SCHEMA = json.loads((ROOT / "evalkit/templates/report.schema.json").read_text())
SIZES: dict[str, Any] = {
    "prompts": 24,
    "images": 1,
    "raters": 8,
    "prompt_sd": 0.3,
    "parts": ("images", "votes", "scores"),
}
PAIR = "aesthetics/deci-30-sd15-50"


def run_of(folder: Path, name: str, **plan: Any) -> Run:
    return simulate_run(folder / "runs" / f"{name}-ab12cd34", Plan(**SIZES | plan))


def numbers(first: Run, second: Run, **same: str) -> dict[str, Any]:
    found: dict[str, Any] = compose(first, second, same)["sections"][0]["numbers"]
    return found


def test_a_planted_change_is_found_and_written(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, "one", effect=-1.0), run_of(tmp_path, "two", effect=1.5, seed=2)
    outcome = compare(first, second, Settings(root=tmp_path, _env_file=None))
    assert outcome.said.startswith("On aesthetics, the result changed (p < .001): net preference for DeciDiffusion 1.0")
    folder = tmp_path / "reports" / f"{first.name}-against-{second.name}"
    record = json.loads((folder / "report.json").read_text())
    jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert record["sections"][0]["title"] == "2 of 2 results changed" and "Simulated" in outcome.warnings[0]
    for name in ("index.html", "report.md", "report.tex", "figures/changes-1.svg", "tables/numbers.csv"):
        assert (folder / name).is_file(), name


def test_the_twin_the_same_study_run_twice_shows_no_change(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, "one"), run_of(tmp_path, "two", seed=2)
    record = compose(first, second, {})
    assert record["sections"][0]["title"] == "No change was shown"
    assert "neither a change nor sameness" in record["sections"][0]["conclusion"]
    assert record["sections"][-1]["title"] == "The same study"


def test_the_difference_is_second_less_first_whatever_the_order_of_systems(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, "one"), run_of(tmp_path, "two", effect=1.0, seed=2)
    there, back = numbers(first, second), numbers(second, first)
    value = there[f"{PAIR}/difference"]["value"]
    assert value == pytest.approx(there[f"{PAIR}/after"]["value"] - there[f"{PAIR}/before"]["value"])
    assert back[f"{PAIR}/difference"]["value"] == pytest.approx(-value)
    other = resolved_with(second, lambda record: record["study"]["systems"].reverse())
    assert numbers(first, other)[f"{PAIR}/difference"]["value"] == pytest.approx(value)


def test_one_system_left_over_on_each_side_is_a_new_version(tmp_path: Path) -> None:
    first = run_of(tmp_path, "one")
    second = run_of(tmp_path, "two", systems=("deci-20", "sd15-50"), titles=("new", "b"), seed=2, published=False)
    assert f"{PAIR}/difference" in numbers(first, second)
    assert numbers(first, second) == numbers(first, second, **{"deci-30": "deci-20"})
    fields = {row[0]: row[1:] for row in compose(first, second, {})["sections"][-1]["blocks"][0]["rows"]}
    assert fields["study.systems[0].name"] == ("deci-30", "deci-20")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    first = run_of(tmp_path, "one")
    strangers = run_of(tmp_path, "two", systems=("x", "y"), titles=("x", "y"), published=False)
    with pytest.raises(RunError, match="share no pair of systems"):
        compose(first, strangers, {})
    with pytest.raises(RunError, match="no systems 'deci-30' and 'z'"):
        compose(first, strangers, {"deci-30": "z"})
    with pytest.raises(SpecError, match="does not name two systems"):
        pairs_of(["deci"])
    nobody = run_of(tmp_path, "three", parts=("images",))
    assert compose(first, nobody, {})["sections"][0]["title"] == "No votes to compare"
    strangers.write_json("voting.json", {"closed_at": None})
    with pytest.raises(RunError, match="still open"):
        compare(first, strangers, Settings(root=tmp_path, _env_file=None))


def test_scores_are_compared_by_prompt_only_where_they_were_made_alike(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, "one"), run_of(tmp_path, "two", seed=2)
    section = compose(first, second, {})["sections"][1]
    assert section["numbers"]["clip_score/deci-30/difference"]["n"] == 24
    record = second.read_json("metrics.json")
    for value in record["values"]:
        value["signature"] += "|other-preprocessing"
    second.write_json("metrics.json", record)
    section = compose(first, second, {})["sections"][1]
    assert section["numbers"] == {}
    assert {row[-1] for row in section["blocks"][0]["rows"]} == {"no: not to be compared"}


def resolved_with(run: Run, change: Any) -> Run:
    other = Run(run.folder.with_name(f"changed-{run.name}"))
    shutil.copytree(run.folder, other.folder)
    record = other.read_json("resolved.json")
    change(record)
    other.write_json("resolved.json", record)
    return other
