"""The commands of DEPLOY.md for a cluster, as they are written: two nodes, then check, generate and score."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stages.scoring import drawn_study

pytest.importorskip("ray", reason="ray is not installed (pip install 'evalkit[ray]')")
pytestmark = pytest.mark.slow


def commands(begin: str) -> list[list[str]]:
    """The lines of DEPLOY.md's cluster part that begin so, without their remarks."""
    part = (ROOT / "DEPLOY.md").read_text().split("## Drawing and scoring on a cluster")[1]
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", part, re.DOTALL)).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith(begin)]


@contextmanager
def started(words: list[str]) -> Iterator[None]:
    """A node until the end of the block; its processes are its own group."""
    blocked = [str(Path(sys.executable).with_name("ray")), *words[1:], "--block", "--num-cpus", "1"]
    node = subprocess.Popen(blocked, start_new_session=True, env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"})
    try:
        yield
    finally:
        os.killpg(node.pid, signal.SIGTERM)
        node.wait(30)


def evalkit(words: list[str], root: Path, study: str) -> dict[str, object]:
    """The command with this study, here."""
    named = [study if word == "my-study" else word for word in words[1:]]
    told = {
        "EVALKIT_ROOT": str(root),
        "EVALKIT_DATA": str(root / "shared"),
        "EVALKIT_DEVICE": "cpu",
    }
    command = [sys.executable, "-m", "evalkit", *named, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | told, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_cluster_as_the_page_says(settings):
    resolved = drawn_study(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    def here(words: list[str]) -> list[str]:
        return [word.replace("10.0.0.1:6379", address).replace("6379", address.split(":")[1]) for word in words]

    head, other = map(here, commands("ray start"))
    with started(head):
        time.sleep(10)
        with started(other):
            time.sleep(10)
            told = [evalkit(here(words), settings.root, resolved.study.name) for words in commands("evalkit")[1:4]]
    check, drawn, scored = told
    assert check["fit"] and len(check["nodes"]) == 2, check
    assert (drawn["listed"], drawn["engine"], drawn["workers"]) == (24, "ray", 2)
    assert scored["fresh"] == ["clip_score"]
