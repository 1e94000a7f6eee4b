"""Training killed outright in its first minutes goes on from its checkpoint, and ends in the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT

SCRIPT = """
import sys, torch
from pathlib import Path
from evalkit.training import autoencoder, loop, scenes
from evalkit.training.loop import Phase
from tests.training.conftest import discs
torch.set_num_threads(1)
phase = Phase("first", steps={steps}, batch=2, rate=1e-3, warmup=4, ema=0.99, seed=7)
graphics, network = discs(), autoencoder.build()
def loss_of(step):
    print(step, flush=True)
    batch = scenes.training_batch(graphics, phase.batch, phase.seed, step)
    return autoencoder.reconstruction_loss(network, autoencoder.to_tensor(batch.pixels), phase.seed, step)
loop.train(network, phase, loss_of, Path(sys.argv[1]), checkpoint_every=3)
"""
STEPS, LAST_WORDS = 8, "5"


def start(folder: Path) -> subprocess.Popen[str]:
    """The real autoencoder's training in a process of its own, on discs instead of emoji."""
    command = [sys.executable, "-c", SCRIPT.format(steps=STEPS), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def steps_of(process: subprocess.Popen[str]) -> list[int]:
    """The steps that a process took until its end."""
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0
    return [int(line) for line in said.split()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_and_started_again_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert steps_of(start(whole)) == list(range(STEPS))
    process = start(cut)
    assert process.stdout is not None
    while process.stdout.readline().strip() != LAST_WORDS:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert (cut / "first.partial.pt").exists() and not (cut / "first.pt").exists()
    assert steps_of(start(cut)) == list(range(3, STEPS))
    one, two = (torch.load(folder / "first.pt", weights_only=True) for folder in (whole, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)
