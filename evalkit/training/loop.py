"""One training loop for all networks: seeded by step, so that a run cut off and resumed ends in the same weights."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Schedule = Literal["cosine", "linear", "constant"]


@dataclass(frozen=True)
class Phase:
    """One phase of training. rate: peak learning rate; ema: decay of the averaged weights that the phase ends in."""

    name: str
    steps: int
    batch: int
    rate: float
    schedule: Schedule = "cosine"
    warmup: int = 50
    weight_decay: float = 0.01
    ema: float | None = None
    seed: int = 0


def train(
    network: "nn.Module", phase: Phase, loss_of: Callable[[int], "Tensor"], folder: Path, checkpoint_every: int = 200
) -> None:
    """Train `network` in place for one phase; nothing is done when the phase's weights are already in `folder`.

    Args:
        network: the module whose parameters learn.
        loss_of: step -> scalar loss. It draws all its randomness from (phase.seed, step).
        folder: gets NAME.pt (the finished weights), NAME.partial.pt (the last checkpoint) and log.jsonl.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"{phase.name}.pt"
    if not done.exists():
        state = _State(network, phase, folder)
        for step in state.remaining():
            state.update(loss_of(step), step)
            if (step + 1) % checkpoint_every == 0:
                state.save(step + 1)
        state.finish(done)
    network.load_state_dict(torch.load(done, weights_only=True))


class _State:
    """What a checkpoint holds: weights, optimizer, averaged weights and the step, with the log beside it."""

    def __init__(self, network: "nn.Module", phase: Phase, folder: Path) -> None:
        import torch

        self.network, self.phase, self.folder = network, phase, folder
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=phase.rate, weight_decay=phase.weight_decay, betas=(0.9, 0.99)
        )
        self.average = {name: value.clone() for name, value in network.state_dict().items()} if phase.ema else None
        self.partial = folder / f"{phase.name}.partial.pt"
        self.step, self.losses, self.seconds, self.clock = 0, list[float](), 0.0, time.monotonic()
        if self.partial.exists():
            self._load()

    def remaining(self) -> Iterator[int]:
        yield from range(self.step, self.phase.steps)

    def update(self, loss: "Tensor", step: int) -> None:
        """One optimizer step at the scheduled rate, gradients clipped to norm 1."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = self.phase.rate * rate_factor(self.phase, step)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._average(step)
        self.losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0 or step + 1 == self.phase.steps:
            self._log(step + 1)

    def save(self, step: int) -> None:
        import torch

        state = {
            "step": step, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average, "seconds": self._elapsed(),
        }  # fmt: skip
        scratch = self.partial.with_suffix(".writing")
        torch.save(state, scratch)
        scratch.replace(self.partial)

    def finish(self, done: Path) -> None:
        import torch

        scratch = done.with_suffix(".writing")
        torch.save(self.average if self.average is not None else self.network.state_dict(), scratch)
        scratch.replace(done)
        self.partial.unlink(missing_ok=True)

    def _load(self) -> None:
        import torch

        state: dict[str, Any] = torch.load(self.partial, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.average, self.seconds = state["step"], state["average"], state["seconds"]

    def _average(self, step: int) -> None:
        """Exponential moving average, with a shorter memory in the first steps."""
        if self.average is None or self.phase.ema is None:
            return
        decay = min(self.phase.ema, (step + 1) / (step + 10))
        for name, value in self.network.state_dict().items():
            kept = self.average[name]
            kept.lerp_(value, 1 - decay) if value.is_floating_point() else kept.copy_(value)

    def _log(self, step: int) -> None:
        record = {
            "phase": self.phase.name, "step": step, "samples": step * self.phase.batch,
            "loss": round(sum(self.losses) / len(self.losses), 5), "n": len(self.losses),
            "seconds": round(self._elapsed(), 1),
        }  # fmt: skip
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        self.losses = []

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.clock


def rate_factor(phase: Phase, step: int) -> float:
    """The learning rate at a step as a share of its peak: linear warm-up, then cosine, linear or no decay to 2 %."""
    import math

    if step < phase.warmup:
        return (step + 1) / phase.warmup
    done = (step - phase.warmup) / max(1, phase.steps - phase.warmup)
    decay = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[phase.schedule]
    return 0.02 + 0.98 * decay


def generator(seed: int, step: int) -> "torch.Generator":
    """A torch generator that belongs to one step of one seed."""
    import torch

    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
