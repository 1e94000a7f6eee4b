"""A study from its file to its report, by the commands alone, in a checkout of its own, where torch cannot be loaded.

The systems are the procedural ones: seeded shapes whose quality is known by their steps.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.stages.drawing import write_study

HOSTILE = '<img src=x onerror="alert(1)"> **bold** | a pipe'


class Checkout:
    """Runs commands in a checkout where importing torch and its kin raises."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "poison").mkdir()
        for name in ("torch", "diffusers", "transformers", "torchmetrics"):
            (root / "poison" / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")

    def __call__(self, *words: str, fails: bool = False) -> dict[str, object]:
        environment = os.environ | {
            "EVALKIT_ROOT": str(self.root),
            "PYTHONPATH": f"{self.root / 'poison'}{os.pathsep}{ROOT}",
        }
        command = [sys.executable, "-m", "evalkit", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.root, env=environment, timeout=300)
        assert (done.returncode != 0) is fails, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A study that went the whole way."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    cards = {"fewsteps": {"loader": "procedural"}, "manysteps": {"loader": "procedural"}}
    write_study(root, cards=cards, images=1, voting={"sample": 5, "images": 2, "raters": 6})
    with (root / "data/prompts/words.csv").open("a", encoding="utf-8") as file:
        rows = [f"x-{number},a {colour} box,en,plain\n" for number, colour in enumerate(("red", "blue", "green"))]
        file.writelines([*rows, f'x-9,"{HOSTILE.replace(chr(34), chr(34) * 2)}",en,odd\n'])
    evalkit = Checkout(root)
    assert evalkit("check", "trial")["images"] == 2 * (11 + 5)
    assert evalkit("generate", "trial", "--dry-run")["missing"] == 32
    assert evalkit("generate", "trial")["listed"] == 32
    assert evalkit("generate", "trial")["drawn"] == 0, "exists means done"
    assert evalkit("vote", "open", "trial")["comparisons"] == 10
    assert len(evalkit("vote", "invite", "trial", "--count", "3")["links"]) == 3  # type: ignore[arg-type]
    simulate(evalkit)
    assert evalkit("vote", "status", "trial")["simulated_votes"] == 10 * 6 * 2
    evalkit("vote", "verify", "trial")
    assert evalkit("vote", "close", "trial")["votes"] == 120
    evalkit("report", "trial")
    return evalkit


def simulate(evalkit: Checkout) -> None:
    from evalkit.settings import Settings
    from evalkit.spec.resolve import resolve
    from evalkit.stages.simulate import simulate_panel

    settings = Settings(root=evalkit.root, _env_file=None)
    planted = {"fewsteps": -3.0, "manysteps": 3.0}
    simulate_panel(resolve("trial", evalkit.root), settings, raters=6, seed=3, planted=planted)


def run_folder(evalkit: Checkout) -> Path:
    (folder,) = (evalkit.root / "data/runs").iterdir()
    return folder


def test_the_votes_name_systems_and_are_marked_simulated(finished: Checkout) -> None:
    votes = pd.read_parquet(run_folder(finished) / "votes.parquet")
    assert votes["simulated"].all() and set(votes["question"]) == {"aesthetics", "alignment"}
    assert set(votes["system_a"]) | set(votes["system_b"]) == {"fewsteps", "manysteps"}
    winner = votes["choice"].map({"a": "system_a", "b": "system_b"})
    won = [getattr(row, winner[row.Index]) for row in votes.itertuples() if isinstance(winner[row.Index], str)]
    assert won.count("manysteps") > 3 * won.count("fewsteps"), "the planted preference comes back"


def test_sides_are_balanced(finished: Checkout) -> None:
    votes = pd.read_parquet(run_folder(finished) / "votes.parquet").drop_duplicates(["rater", "image_a", "image_b"])
    by_rater = votes.groupby("rater")["side_shown"].value_counts().unstack()
    assert (by_rater["left"] == by_rater["right"]).all()


def test_the_report_stands_alone_and_says_what_is_simulated(finished: Checkout) -> None:
    (folder,) = (finished.root / "reports").iterdir()
    page, text = (folder / "index.html").read_text(), (folder / "report.md").read_text()
    told = json.loads((folder / "report.json").read_text())
    assert told["schema"].startswith("evalkit-report/")
    assert "simulated" in page.lower() and "simulated" in text.lower()
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script src" not in page
    assert HOSTILE not in page, "prompts are text, never markup"


def test_nothing_that_is_stored_for_voting_tells_the_systems_apart(finished: Checkout) -> None:
    database = (finished.root / "data/evalkit.db").read_bytes()
    files = list((finished.root / "data/voting").rglob("*.png"))
    assert len(files) == 20 and len({file.stat().st_size for file in files}) == 1
    for word in (b"fewsteps", b"manysteps", b"procedural"):
        assert word not in database, word
        assert not any(word in file.read_bytes() or word in str(file).encode() for file in files)


def test_the_twin_a_system_named_in_the_database_is_found(finished: Checkout, tmp_path: Path) -> None:
    shutil.copy(finished.root / "data/evalkit.db", tmp_path / "leaky.db")
    import sqlite3

    with sqlite3.connect(tmp_path / "leaky.db") as leaky:
        leaky.execute("UPDATE image SET path = path || '?system=manysteps'")
    leaky.close()
    assert b"manysteps" in (tmp_path / "leaky.db").read_bytes()


def test_closed_is_closed_and_a_changed_study_is_another(finished: Checkout) -> None:
    assert "closed" in str(finished("vote", "open", "trial", fails=True)["error"])
    path = finished.root / "studies/trial.yaml"
    before = path.read_text()
    path.write_text(before.replace("raters: 6", "raters: 7"))
    try:
        assert finished("generate", "trial", "--dry-run")["missing"] == 0, "images are shared by content"
        assert "differs from the frozen one" in str(finished("vote", "status", "trial", fails=True)["error"])
    finally:
        path.write_text(before)
