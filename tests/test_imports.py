"""What is never loaded: torch by the voting server and the reports, pandas and friends by --help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = ["torch", "torchvision", "diffusers", "transformers", "torchmetrics", "datasets", "ray"]
LIGHT = [*HEAVY, "pandas", "scipy", "streamlit", "sqlalchemy", "altair", "numpy"]


def run(code: str, poisoned: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs `code` where importing any of the poisoned packages raises."""
    for name in poisoned:
        (folder / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.path.insert(1, {str(ROOT)!r})\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)


def call(*words: str) -> str:
    return f"from evalkit.cli import main; sys.argv = ['evalkit', *{list(words)!r}]; main()"


@pytest.mark.parametrize("words", [("--help",), ("generate", "--help"), ("vote", "--help"), ("ls", "studies")])
def test_help_loads_next_to_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(call(*words), LIGHT if "--help" in words else HEAVY, tmp_path)
    assert done.returncode == 0, done.stderr


MODULES = ["evalkit.stages.report", "evalkit.stages.vote", "evalkit.stages.app", "evalkit.stages.score"]
MODULES += ["evalkit.stages.generate", "evalkit.stages.fetch", "evalkit.demo", "app.rater", "app.researcher"]


@pytest.mark.parametrize("module", MODULES)
def test_no_module_needs_torch_to_be_imported(module: str, tmp_path: Path) -> None:
    code = f"import importlib.util as u; assert u.find_spec({module!r}); import {module.removesuffix('.rater')}"
    done = run(code if module.startswith("evalkit") else f"import ast, {module.split('.')[0]}", HEAVY, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_twin_a_module_that_imports_torch_is_caught(tmp_path: Path) -> None:
    (tmp_path / "guilty.py").write_text("import torch\n")
    done = run("import guilty", HEAVY, tmp_path)
    assert done.returncode != 0 and "torch was imported" in done.stderr
