"""evalkit plan: the published design, other designs, faults, the picture, and what it says to write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from evalkit.cli import app
from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.spec.rewrite import set_numbers
from evalkit.stages.plan import Expected, Wanted, plan
from tests.conftest import ROOT


def planned(
    expected: Expected | None = None, *, study: str = "decidiffusion-vs-sd15", out: Path | None = None, **wanted: Any
) -> dict[str, Any]:
    asked = Wanted(**{"runs": 200, **wanted})
    settings = Settings(root=ROOT, _env_file=None)
    outcome = plan(resolve(study, ROOT), settings, expected=expected or Expected(), wanted=asked, out=out)
    facts: dict[str, Any] = json.loads(json.dumps(outcome.as_json(), allow_nan=False, default=str))
    return facts


def test_the_published_design_sees_little_and_needs_many_prompts() -> None:
    facts = planned()
    own = facts["own"]
    assert own["design"] == {"prompts": 10, "raters": 10, "votes_per_pair": 10, "images": 3, "completion": 1.0}
    assert (own["votes"], own["rater_hours"], facts["expected_from"]) == (300, 1.25, "published")
    assert own["decisive_share"] == pytest.approx(41.1 / 71.6) and own["effects"]["tie_share"] == pytest.approx(0.284)
    assert own["power"]["high"] < 0.35 and own["power"]["n"] == 200
    assert 0.65 < facts["detectable"]["decisive_share"] < 0.8
    assert facts["needed"]["votes"] > facts["independent_votes"] > 500
    assert facts["needed"]["design"]["prompts"] > 100
    assert "10 prompts: the prompts are the sample size" in facts["warnings"][0]


def test_every_number_said_has_its_interval() -> None:
    said = planned()["said"]
    assert re.search(r"power     \d+ % \(\d+-\d+\) of 200 simulated studies", said)
    assert "rater-hours at 15 s a comparison" in said and "(exact" not in said
    assert all(re.search(r"\(\d+-\d+\)", cell) for cell in re.findall(r"\d+ %[^%]*", said.split("same cost")[1]))


def test_the_lines_to_write_make_the_design_that_was_needed(tmp_path: Path) -> None:
    facts = planned(Expected(share=0.62, ties=0.25))
    assert facts["expected_from"] == "given"
    source = yaml.safe_load((ROOT / "studies/decidiffusion-vs-sd15.yaml").read_text())
    source["voting"] |= yaml.safe_load(facts["needed_yaml"])["voting"]
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(source))
    again = planned(Expected(share=0.62, ties=0.25), study=str(tmp_path / "again.yaml"))
    assert again["own"]["design"] == facts["needed"]["design"]
    assert again["own"]["power"]["low"] > facts["own"]["power"]["high"]


def test_the_study_can_be_overruled() -> None:
    own = planned(prompts=60, images=1, raters=12, votes_per_pair=2, seconds_per_comparison=30.0)["own"]
    assert (own["votes"], own["rater_hours"]) == (120, 1.0)
    sheets = planned(prompts=60, images=1, raters=12, comparisons_per_rater=20)["own"]
    assert sheets["design"]["votes_per_pair"] == 4


def test_under_eight_prompts_no_power_is_claimed() -> None:
    facts = planned(prompts=7)
    assert facts["own"]["power"]["value"] is None and facts["detectable"] is None
    assert "no value: under 8 prompts" in facts["said"] and "sees      no preference" in facts["said"]


@pytest.mark.parametrize(
    ("expected", "wanted", "words"),
    [
        (Expected(share=0.5), {}, "zero cannot be detected"),
        (Expected(preference=0.9), {}, "out of reach"),
        (Expected(), {"votes_per_pair": 11}, "one vote per rater"),
        (Expected(), {"prompts": 900, "comparisons_per_rater": 5}, "do not reach each"),
        (Expected(), {"prompts": 3000}, "too many to simulate"),
    ],
)
def test_what_does_not_fit_is_said(expected: Expected, wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        planned(expected, **wanted)


def test_the_picture_shows_every_design_and_is_named(tmp_path: Path) -> None:
    facts = planned(out=tmp_path / "plan.svg")
    svg = (tmp_path / "plan.svg").read_text()
    assert svg.startswith('<svg role="img"') and "<title>Power against the number of prompts" in svg
    raters = {one["design"]["raters"] for one in facts["trade"]}
    assert all(f">{number} raters<" in svg for number in raters)
    assert facts["where"] == str(tmp_path / "plan.svg")
    with pytest.raises(SpecError, match="cannot be written"):
        planned(out=tmp_path / "nowhere" / "plan.svg")


def test_the_command() -> None:
    done = CliRunner().invoke(app, ["plan", "--share", "0.7", "--ties", "0.2", "--runs", "200", "--json"])
    facts = json.loads(done.stdout)
    assert facts["own"]["decisive_share"] == pytest.approx(0.7) and facts["wanted"]["runs"] == 200


def test_the_needed_design_is_written_into_the_file_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    source = (ROOT / "studies/decidiffusion-vs-sd15.yaml").read_text()
    path.write_text(source)
    settings = Settings(root=ROOT, _env_file=None)
    asked = Wanted(runs=200)
    outcome = plan(
        resolve(str(path), ROOT), settings, expected=Expected(share=0.65, ties=0.25), wanted=asked, write=True
    )
    needed = outcome.facts["needed"]["design"]
    voting = yaml.safe_load(path.read_text())["voting"]
    assert (voting["sample"], voting["raters"], voting["images"]) == (needed["prompts"], needed["raters"], 1)
    comments = [line for line in source.splitlines() if line.lstrip().startswith("#")]
    assert all(comment in path.read_text() for comment in comments) and "# evalkit plan: power 80 %" in path.read_text()
    once = path.read_text()
    plan(resolve(str(path), ROOT), settings, expected=Expected(share=0.65, ties=0.25), wanted=asked, write=True)
    assert path.read_text().count("# evalkit plan") == once.count("# evalkit plan") == 1


def test_a_file_that_cannot_take_the_numbers_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: x\nvoting: {sample: 3}\n")
    with pytest.raises(SpecError, match="no block `voting:`"):
        set_numbers(path, "voting", {"sample": 5}, said="a test")
    broken = "title: x\nvoting:\n  sample: 3\nstrange: 1\n"
    path.write_text(broken)
    with pytest.raises(SpecError, match="not valid"):
        set_numbers(path, "voting", {"sample": 5}, said="a test")
    assert path.read_text() == broken and list(tmp_path.iterdir()) == [path]
