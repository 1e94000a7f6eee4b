"""Every command of the README is run: the study on tiny random checkpoints in the real layouts, from a local hub."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from evalkit.cli import app
from tests.conftest import ROOT
from tests.hub import serving

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCKS = [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", README, re.S)]
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block if line.split("#")[0].strip()]
INLINE = re.findall(r"`(evalkit [^`]+)`", README)
PINNED = "99d0c312e8e00e1bfb1aa89ad52b2a34f5829c2d"


def test_the_two_commands_are_targets_that_do_what_is_said() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    for target, does in (("demo", "evalkit demo"), ("test", "python -m pytest"), ("app", "evalkit app rater")):
        recipe = re.search(rf"^{target}:.*\n\t(.+)$", MAKEFILE, re.M)
        assert recipe and does in recipe[1]
    assert "make test" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("line", sorted(set(INLINE)))
def test_commands_in_the_text_exist_with_their_options(line: str) -> None:
    words = shlex.split(line)[1:]
    found = typer.main.get_command(app)
    while hasattr(found, "commands") and words:
        assert words[0] in found.commands, line
        found = found.commands[words.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A checkout with the project's own studies, whose two models are tiny and lie on a local hub."""
    pytest.importorskip("torch")
    from tests.checkpoints import write_decidiffusion, write_stable_diffusion

    for folder in ("studies", "data/models", "data/prompts", "data/questions"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "data/weights").symlink_to(ROOT / "data/weights")
    for path in tmp_path.glob("studies/*.lock.yaml"):
        path.unlink()
    replace(tmp_path / "studies/decidiffusion-vs-sd15.yaml", "[clip_score]", "[{name: clip_score, model: emoji-clip}]")
    for card in ("decidiffusion-v1-0", "sd15"):
        path = tmp_path / f"data/models/{card}.yaml"
        replace(path, "size: 512", "size: 64")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not re.search("safety_checker|feature_extractor", line)))
    replace(tmp_path / "data/prompts/parti.yaml", "count: 1632", "count: 12")
    with (tmp_path / "few.tsv").open("w", encoding="utf-8") as file:
        rows = [[f"a drawing of {number} cats", "Animals", "Quantity", ""] for number in range(1, 13)]
        csv.writer(file, delimiter="\t").writerows([["Prompt", "Category", "Challenge", "Note"], *rows])
    with serving() as hub:
        hub.revision = PINNED
        hub.repositories["Deci/DeciDiffusion-v1-0"] = write_decidiffusion(tmp_path / "hub/deci")
        stable = write_stable_diffusion(tmp_path / "hub/sd15", seed=1, variant="fp16")
        hub.repositories["stable-diffusion-v1-5/stable-diffusion-v1-5"] = stable
        yield os.environ | {
            "EVALKIT_ROOT": str(tmp_path),
            "EVALKIT_PARTI": str(tmp_path / "few.tsv"),
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path / "cache"),
            "PYTHONPATH": str(ROOT),
        }


def replace(path: Path, *pairs: str) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text, f"{old!r} is not in {path}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def test_the_real_study_step_by_step(machine: dict[str, str], tmp_path: Path) -> None:
    for line in COMMANDS[2:]:
        if line.startswith("evalkit app"):
            visit_app(line, machine)
        else:
            done = run(line + (" --rounds 2" if line.startswith("evalkit bench") else ""), machine)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if line.startswith("evalkit vote invite"):
            with (tmp_path / "links.csv").open(encoding="utf-8") as file:
                assert len(list(csv.DictReader(file))) == 30
            vote(machine)
    (report,) = tmp_path.glob("reports/decidiffusion-vs-sd15-*/report.json")
    told = json.loads(report.read_text())
    assert "41.1" in report.read_text(), "the published table stands beside the study's own"
    assert told["schema"].startswith("evalkit-report/")


def run(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *shlex.split(line)]
    root = environment["EVALKIT_ROOT"]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=280)


def visit_app(line: str, environment: dict[str, str]) -> None:
    """The server of the README's line answers, and ends on a signal."""
    command = [sys.executable, "-m", *shlex.split(line), "--port", "18501"]
    server = subprocess.Popen(command, cwd=environment["EVALKIT_ROOT"], env=environment, stdout=-1, stderr=-1)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen("http://127.0.0.1:18501/_stcore/health", timeout=1) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert server.poll() is None, server.communicate()[1].decode()
                time.sleep(0.25)
        pytest.fail("the app did not answer")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def vote(environment: dict[str, str]) -> None:
    """A simulated panel stands in for the raters."""
    code = (
        "from evalkit.settings import settings; from evalkit.spec.resolve import resolve\n"
        "from evalkit.stages.simulate import simulate_panel\n"
        "simulate_panel(resolve('decidiffusion-vs-sd15', settings().root), settings(), seed=1)"
    )
    root = environment["EVALKIT_ROOT"]
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True, timeout=120)
