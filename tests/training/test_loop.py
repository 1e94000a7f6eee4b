"""The training loop: cut off and resumed, it ends in the same bytes; the averaged weights are the average."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evalkit.training import autoencoder, loop, scenes
from evalkit.training.loop import Phase
from evalkit.training.scenes import Graphics

PHASE = Phase("tiny", steps=4, batch=2, rate=1e-3, warmup=2, ema=0.9, seed=5)


def trained(sprites: Graphics, folder: Path, stop_before: int | None = None, shift: int = 0) -> dict[str, Any]:
    """Train the real autoencoder for a few steps; raise before a step if asked to."""
    torch.set_num_threads(1)
    network = autoencoder.build()

    def loss_of(step: int) -> torch.Tensor:
        if step == stop_before:
            raise KeyboardInterrupt
        batch = scenes.training_batch(sprites, PHASE.batch, PHASE.seed, step + shift)
        return autoencoder.reconstruction_loss(network, autoencoder.to_tensor(batch.pixels), PHASE.seed, step)

    loop.train(network, PHASE, loss_of, folder, checkpoint_every=2)
    return dict(network.state_dict())


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_cut_off_and_resumed_ends_in_the_same_bytes(sprites: Graphics, tmp_path: Path) -> None:
    whole = trained(sprites, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(sprites, tmp_path / "cut", stop_before=3)
    assert (tmp_path / "cut" / "tiny.partial.pt").exists()
    assert equal(whole, trained(sprites, tmp_path / "cut"))
    other = trained(sprites, tmp_path / "other", shift=1)
    assert not equal(whole, other)  # the comparison can fail: other pictures, other weights
    last = json.loads((tmp_path / "cut" / "log.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["samples"]) == (4, 8) and last["loss"] > 0


def test_a_finished_phase_is_not_trained_again(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 1)
    loop.train(network, PHASE, _square(network), tmp_path)
    again = torch.nn.Linear(2, 1)
    loop.train(again, PHASE, _refuse, tmp_path)
    assert torch.equal(again.weight, network.weight)


def test_averaged_weights_are_the_exponential_average_of_the_steps(tmp_path: Path) -> None:
    network, phase = torch.nn.Linear(2, 1), replace(PHASE, steps=6)
    seen = [network.weight.detach().clone()]

    def loss_of(step: int) -> torch.Tensor:
        if step:
            seen.append(network.weight.detach().clone())
        return _square(network)(step)

    twin = torch.nn.Linear(2, 1)
    twin.load_state_dict(network.state_dict())
    loop.train(twin, replace(phase, ema=None), lambda step: _square(twin)(step), tmp_path / "plain")
    loop.train(network, phase, loss_of, tmp_path / "averaged")
    expected = seen[0]
    for step, value in enumerate([*seen[1:], twin.weight.detach()]):
        decay = min(0.9, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * value
    assert torch.allclose(network.weight, expected, atol=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_rises_to_its_peak_and_falls_to_two_percent(schedule: Any) -> None:
    phase = Phase("p", steps=100, batch=1, rate=1.0, schedule=schedule, warmup=10)
    rates = [loop.rate_factor(phase, step) for step in range(101)]
    assert rates[9] == pytest.approx(1) and rates[:10] == sorted(rates[:10])
    assert rates[100] == pytest.approx(1 if schedule == "constant" else 0.02)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def _square(network: torch.nn.Linear) -> Callable[[int], torch.Tensor]:
    return lambda step: (network(torch.tensor([[1.0, float(step)]])) - 3).square().mean()


def _refuse(step: int) -> torch.Tensor:
    raise AssertionError("trained again")
