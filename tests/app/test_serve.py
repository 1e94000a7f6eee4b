"""`evalkit app` and `evalkit vote leakcheck`, as a person would run them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from evalkit.errors import SpecError, UnavailableError, VotingError
from evalkit.stages.app import serve
from evalkit.stages.leakcheck import check_served
from evalkit.voting import pictures, server
from tests.app.conftest import new_settings
from tests.app.serving import open_trial
from tests.conftest import ROOT


def start(settings, *words):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "evalkit", "app", *words, "--port", str(port)]
    environment = settings.environment() | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return process, f"http://127.0.0.1:{port}/_stcore/health"


def answers(process, health):
    for _ in range(1200):
        assert process.poll() is None, process.stdout.read()
        try:
            return requests.get(health, timeout=5).status_code
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError("it does not answer")


@pytest.mark.parametrize("which", ["rater", "researcher"])
def test_each_app_is_one_process_that_a_signal_stops(trial, which):
    process, health = start(trial.settings, which)
    try:
        assert answers(process, health) == 200
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    assert process.returncode in (0, -signal.SIGTERM)
    passwords = re.findall(r"password of the researcher's app, until it stops: (\S{16})\n", said)
    assert len(passwords) == (which == "researcher")


def test_another_name_is_refused(trial):
    with pytest.raises(SpecError, match="no app named 'raters'") as error:
        serve("raters", trial.settings)
    assert error.value.hint == "did you mean 'rater'?"


def test_a_server_that_cannot_start_says_why(trial, tmp_path):
    with (
        pytest.raises(UnavailableError, match="does not start"),
        server.served("researcher", trial.settings, tmp_path / "log"),  # without a password
    ):
        pass


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return open_trial(new_settings(tmp_path_factory), images=2, raters=2)


def test_a_rehearsal_finds_nothing_and_leaves_nothing(study):
    before = sorted(path for path in study.settings.root.rglob("*"))
    try:
        outcome = check_served(study.resolved, study.settings)
    except VotingError as by_chance:  # as its hint says: one run in a hundred is wrong, what is found twice is a leak
        assert "can be told by what comes" in str(by_chance)
        outcome = check_served(study.resolved, study.settings)
    assert outcome.facts["images"] == 28 and "nothing tells the systems apart" in outcome.said
    assert outcome.facts["roc_area"]["n"] == 14 and not outcome.warnings
    assert sorted(path for path in study.settings.root.rglob("*")) == before


def test_the_twin_a_rehearsal_without_padding_is_refused(study, monkeypatch):
    monkeypatch.setattr(pictures, "pad", lambda png, length: png)
    with pytest.raises(VotingError, match="can be told by what comes with its images"):
        check_served(study.resolved, study.settings)
