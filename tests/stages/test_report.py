"""evalkit report: from the run folder alone, the same bytes every time, written whole."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from evalkit.errors import RunError, SpecError
from evalkit.sections import _blocks, _latex
from evalkit.settings import Settings
from evalkit.stages.report import report
from evalkit.store.run import Run
from tests.conftest import ROOT
from tests.sections.simulated_run import Plan, simulate_run

SCHEMA = json.loads((ROOT / "evalkit/templates/report.schema.json").read_text())
SMALL = Plan(prompts=9, images=1, raters=3, miniature=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return simulate_run(tmp_path / "runs" / "simulated-ab12cd34", SMALL)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, _env_file=None)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_report_fits_its_schema_and_every_figure_has_its_twin(run: Run, settings: Settings) -> None:
    outcome = report(run, settings)
    folder = settings.reports_dir / run.name
    assert outcome.where == folder / "index.html"
    record = json.loads((folder / "report.json").read_text())
    jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [section["name"] for section in record["sections"]] == [
        "summary",
        "study_tables",
        "votes_quality",
        "metrics",
        "health",
        "gallery",
        "methods",
    ]
    figures = [block for section in record["sections"] for block in section["blocks"] if block["kind"] == "figure"]
    assert len(figures) >= 4
    for figure in figures:
        assert figure["alt"] and figure["table"]["rows"]
        assert (folder / "figures" / f"{figure['name']}-1.svg").is_file()


def test_the_twin_a_broken_record_does_not_fit_the_schema(run: Run, settings: Settings) -> None:
    report(run, settings)
    record = json.loads((settings.reports_dir / run.name / "report.json").read_text())
    record["sections"][0]["numbers"]["x"] = {"value": 0.5}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    with pytest.raises(ValueError, match="2 cells in a row of 1 columns"):
        _blocks.Table("t", (_blocks.Column("a"),), (("1", "2"),))


def test_both_notices_are_on_top_and_on_every_printed_page(run: Run, settings: Settings) -> None:
    outcome = report(run, settings)
    assert [warning.split(":")[0] for warning in outcome.warnings] == ["Miniature", "Simulated"]
    page = (settings.reports_dir / run.name / "index.html").read_text()
    text = (settings.reports_dir / run.name / "report.md").read_text()
    for notice in outcome.warnings:
        assert page.index(notice) < page.index("<main>")
        assert text.index(f"**{notice}**") < text.index("## ")
    assert "@top-left" in page and "Miniature\\3a  nothing here" in page


def test_the_same_run_gives_the_same_bytes_and_is_left_as_it_was(run: Run, settings: Settings, tmp_path: Path) -> None:
    before = contents(run.folder)
    report(run, settings, out=tmp_path / "one")
    report(run, settings, out=tmp_path / "two")
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert set(one) == set(two), "drawings for LaTeX carry a date: all but their bytes are the same"
    assert {name for name in one if one[name] != two[name]} <= {name for name in one if name.endswith(".pdf")}
    assert contents(run.folder) == before, "a report writes nothing into the run"


def test_what_an_earlier_report_left_is_taken_away(run: Run, settings: Settings, tmp_path: Path) -> None:
    report(run, settings, out=tmp_path / "out")
    (tmp_path / "out/figures/old-1.svg").write_text("<svg/>")
    (tmp_path / "out/notes.txt").write_text("mine")
    report(run, settings, out=tmp_path / "out")
    assert not (tmp_path / "out/figures/old-1.svg").exists()
    assert (tmp_path / "out/notes.txt").read_text() == "mine", "what is not a report's is not touched"


POISONED = """
import socket, sys
from pathlib import Path
sys.path.insert(0, {poison!r}); sys.path.insert(1, {root!r})
def refuse(*_, **__): raise AssertionError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
from evalkit.settings import Settings
from evalkit.stages.report import report
from evalkit.store.run import Run
report(Run(Path({run!r})), Settings(root=Path({nowhere!r}), _env_file=None), out=Path({out!r}))
"""


@pytest.mark.parametrize("guilty", [False, True])
def test_a_moved_folder_is_enough_without_torch_network_or_checkout(run: Run, tmp_path: Path, guilty: bool) -> None:
    """Twin (`guilty`): a run that does need torch fails here, so the poison works."""
    moved = tmp_path / "elsewhere" / "moved"
    shutil.move(run.folder, moved)
    poison, out = tmp_path / "poison", tmp_path / "out"
    poison.mkdir()
    for name in ("torch", "diffusers", "transformers", "torchmetrics"):
        (poison / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")
    code = POISONED.format(
        poison=str(poison), root=str(ROOT), run=str(moved), nowhere=str(tmp_path / "no"), out=str(out)
    )
    code = code.replace("report(Run(", "import torch\nreport(Run(") if guilty else code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={"PATH": os.environ["PATH"]}
    )
    assert ("torch was imported" in done.stderr) is guilty, done.stderr
    assert (out / "index.html").is_file() is not guilty


def test_an_open_study_is_reported_only_as_interim_and_that_is_never_forgotten(run: Run, settings: Settings) -> None:
    run.write_json(
        "voting.json", {"opened_at": "2026-11-23T20:00:00+00:00", "closed_at": None, "head": "00", "raters": {}}
    )
    with pytest.raises(RunError, match="still open"):
        report(run, settings)
    outcome = report(run, settings, interim=True)
    assert any(warning.startswith("Interim") for warning in outcome.warnings)
    run.write_json(
        "voting.json", {"opened_at": "2026-11-23T20:00:00+00:00", "closed_at": "2026-11-24", "head": "00", "raters": {}}
    )
    assert not any(warning.startswith("Interim") for warning in report(run, settings).warnings)
    text = (settings.reports_dir / run.name / "report.md").read_text()
    assert "looked at 1 time before the study closed" in text
    with pytest.raises(RunError, match="not open"):
        report(run, settings, interim=True)
    run.write_json("voting.json", {"opened_at": "2026-11-23", "closed_at": None})
    run.path("votes.parquet").unlink()
    with pytest.raises(RunError, match="not exported"):
        report(run, settings, interim=True)


HOSTILE = Plan(
    prompts=9,
    images=1,
    raters=3,
    parts=("images", "votes", "scores"),
    title="50 % & _x_ #1 $ {a} ~ ^ \\ « é » تفاحة 苹果",
    titles=("a & b", "\\end{document} $x$"),
)


@pytest.mark.parametrize("broken", [False, True])
def test_latex_compiles_whatever_the_names(
    tmp_path: Path, settings: Settings, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    """Twin (`broken`): without escaping it does not compile."""
    require("latex")
    if broken:
        monkeypatch.setattr(_latex, "escape", str)
    folder = tmp_path / "out"
    report(simulate_run(tmp_path / "runs" / "hostile-ab12cd34", HOSTILE), settings, out=folder)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert (done.returncode == 0) is not broken, done.stdout[-1500:]
    assert (folder / "report.pdf").is_file() is not broken


def test_every_table_is_a_csv_and_every_number_is_in_one(run: Run, settings: Settings) -> None:
    report(run, settings)
    folder = settings.reports_dir / run.name
    record = json.loads((folder / "report.json").read_text())
    kinds = [
        block for section in record["sections"] for block in section["blocks"] if block["kind"] in ("table", "figure")
    ]
    tables = sorted(path for path in (folder / "tables").glob("*.csv") if path.name != "numbers.csv")
    assert len(tables) == len(kinds)
    for path, block in zip(tables, kinds, strict=True):
        rows = list(csv.reader(path.read_text().splitlines()))
        assert rows[1:] == (block if block["kind"] == "table" else block["table"])["rows"]
    numbers = list(csv.DictReader((folder / "tables/numbers.csv").read_text().splitlines()))
    assert len(numbers) == sum(len(section["numbers"]) for section in record["sections"])
    share = next(row for row in numbers if row["name"] == "aesthetics/deci-30-sd15-50/share/tie")
    assert float(share["value"]) == record["sections"][0]["numbers"]["aesthetics/deci-30-sd15-50/share/tie"]["value"]


def test_a_study_chooses_and_orders_its_sections(run: Run, settings: Settings) -> None:
    assert report(run, settings, chosen=("methods", "summary")).facts["sections"] == ["methods", "summary"]
    record = run.read_json("resolved.json")
    record["study"]["sections"] = ["votes_quality", "summary"]
    run.write_json("resolved.json", record)
    assert report(run, settings).facts["sections"] == ["votes_quality", "summary"]
    with pytest.raises(SpecError, match="no section named 'sumary'"):
        report(run, settings, chosen=("sumary",))


def test_damage_is_an_error_that_says_what_and_where(run: Run, settings: Settings) -> None:
    run.path("votes.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(RunError, match=r"votes\.parquet is damaged"):
        report(run, settings)
    run.path("resolved.json").write_text('{"study": {}}')
    with pytest.raises(RunError, match=r"resolved\.json is not what this version"):
        report(run, settings)
    with pytest.raises(RunError, match=r"resolved\.json is not there yet"):
        report(Run(settings.root / "nothing"), settings)


def test_only_images_and_only_metrics_make_a_report(settings: Settings, tmp_path: Path) -> None:
    for parts, names in (
        (("images",), ["summary", "gallery", "methods"]),
        (("images", "scores"), ["summary", "metrics", "health", "gallery", "methods"]),
    ):
        bare = simulate_run(tmp_path / "runs" / f"bare-{len(parts)}", Plan(prompts=3, images=1, parts=parts))
        assert report(bare, settings).facts["sections"] == names


@pytest.mark.slow
def test_a_hundred_thousand_votes(tmp_path: Path, settings: Settings) -> None:
    many = simulate_run(tmp_path / "runs" / "many", Plan(prompts=500, images=1, raters=100, parts=("images", "votes")))
    report(many, settings)
    record = json.loads((settings.reports_dir / "many" / "report.json").read_text())
    estimate = record["sections"][0]["numbers"]["aesthetics/deci-30-sd15-50/net preference"]
    assert (estimate["n"], estimate["prompts"], estimate["raters"]) == (50_000, 500, 100)
