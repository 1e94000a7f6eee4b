"""The command line as a person uses it: help, errors in three lines, JSON, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from evalkit.cli import app
from tests.conftest import ROOT


def evalkit(*words: str, root: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"EVALKIT_ROOT": str(root), "PYTHONPATH": str(ROOT)} | environment,
        timeout=120,
    )


def commands(group: Any, path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= commands(command, f"{path}{name} ") if hasattr(command, "commands") else {f"{path}{name}": command}
    return found


EVERY = commands(typer.main.get_command(app))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_command_explains_itself_and_speaks_json(name: str) -> None:
    command = EVERY[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert command.help and (name == "demo" or "Example" in command.help)
    assert "--json" in options
    assert all(getattr(option, "help", None) for option in command.params), "each option says what it does"


def test_a_mistake_takes_three_lines_and_exit_code_2() -> None:
    done = evalkit("check", "demoo")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: no study named 'demoo'",
        "  where studies/",
        "  next  did you mean 'demo'?",
    ]


def test_a_mistake_in_json_and_with_debug() -> None:
    told = json.loads(evalkit("check", "demoo", "--json").stdout)
    assert told == {"error": "no study named 'demoo'", "where": "studies/", "hint": "did you mean 'demo'?"}
    assert "Traceback" in evalkit("check", "demoo", "--debug").stderr


@pytest.mark.parametrize("kind", ["studies", "models", "prompts", "questions", "metrics"])
def test_ls(kind: str) -> None:
    told = json.loads(evalkit("ls", kind, "--json").stdout)
    assert told[kind] and all(row["name"] for row in told[kind])


def test_check_counts_the_published_design(shared_data: Path) -> None:
    done = evalkit("check", "--json", EVALKIT_PARTI=str(shared_data / "PartiPrompts.tsv"))
    told = json.loads(done.stdout)
    assert (told["prompts"], told["images"], told["comparisons"], told["votes"]) == (1632, 3304, 30, 600)
    assert told["unpinned"] == ["sd15"]


def test_check_of_a_study_that_does_not_fit(checkout: Path) -> None:
    (checkout / "studies/x.yaml").write_text(
        "title: x\nsystems: [{name: a, model: b, sampling: {step: 3}}]\nprompts: p\n"
    )
    done = evalkit("check", "x", root=checkout)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "did you mean 'steps'?" in done.stderr and "x.yaml:2" in done.stderr


def test_outside_of_a_checkout(tmp_path: Path) -> None:
    done = evalkit("ls", "studies", root=tmp_path)
    assert done.returncode == 0, "EVALKIT_ROOT rules"
    assert "no studies yet" in done.stdout
