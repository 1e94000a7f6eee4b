"""One cell of a latency table: a system on a runtime at a batch size, with what it takes to time its parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.errors import ModelError
from evalkit.runtimes import Forward, get
from evalkit.runtimes._call import Call, first_calls, first_tensor, replaced
from evalkit.runtimes._memory import peak_of

if TYPE_CHECKING:
    from torch import nn

PARTS = {
    "text": ("text_encoder", "text_encoder_2", "text_encoder_3"),
    "step": ("unet", "transformer"),
    "vae": ("vae",),
    "safety": ("safety_checker",),
}
"""The stages of a drawing that are networks, and the pipeline's names for them. `write` is the fifth stage."""
PROBE_STEPS = 2
PLAIN = "pytorch"
PROMPTS = ("a red apple on a blue background", "two sheep in a field of flowers", "a lighthouse at night, oil painting")


@dataclass
class Cell:
    """`draw(prompts, seeds, steps)` gives the images of one batch; `calls` are the network calls of one drawing."""

    system: str
    runtime: str
    batch_size: int
    draw: Callable[[Sequence[str], Sequence[int], int], list[Any]]
    calls: dict[str, list[Call]]
    forward: Forward
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> nn.Module:
        return self.calls["step"][0].network

    def one(self, stage: str) -> None:
        """Does the work of one stage for one batch."""
        for call in self.calls[stage]:
            call.repeat(self.forward if stage == "step" else None)

    def images(self, number: int, steps: int) -> list[Any]:
        """Draws a batch; `number` picks prompts and seeds, so that nothing is remembered from the batch before."""
        texts = [f"{PROMPTS[(number + i) % len(PROMPTS)]}, {number}" for i in range(self.batch_size)]
        with replaced(self.network, self.forward):
            return self.draw(texts, [number * 1000 + i for i in range(self.batch_size)], steps)


def calls_of(pipeline: Any, draw: Callable[[], Any], stages: Sequence[str]) -> dict[str, list[Call]]:
    """What a drawing calls, by stage. Where only text and step are wanted, the drawing stops before the first step.

    Raises:
        ModelError: the pipeline has no denoising network that is known here.
    """
    parts = _parts(pipeline)
    if not parts.get("step"):
        raise ModelError(f"{type(pipeline).__name__} has neither a unet nor a transformer")
    named = {f"{stage}/{i}": part for stage, found in parts.items() for i, part in enumerate(found)}
    with first_calls(named) as found:
        if {"vae", "safety"} & set(stages):
            draw()
        else:
            _until_first_step(parts["step"][0], draw)
    wanted = [stage for stage in (*stages, "step") if stage in PARTS]
    calls = {stage: [call for name, call in found.items() if name.split("/")[0] == stage] for stage in wanted}
    return {stage: made for stage, made in calls.items() if made}


def prepare(cell: Cell, folder: Path) -> None:
    """Puts the runtime in place, warms it up, and notes how long that took, its memory and its fidelity to PyTorch.

    Raises:
        ModelError: the runtime cannot take this network.
    """
    call, answers = cell.calls["step"][0], list[Any]()
    begun = time.perf_counter()
    try:
        cell.forward = get(cell.runtime).prepare(call, folder)
        rise = peak_of(cell.network, lambda: answers.append(first_tensor(call.repeat(cell.forward))))
    except (ImportError, ModelError):
        raise
    except Exception as error:  # exporters and compilers raise many kinds
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"{cell.runtime} cannot run {cell.system}: {reason}", where=cell.runtime) from error
    cell.facts["prepare_seconds"] = time.perf_counter() - begun
    cell.facts["peak_bytes"] = rise
    plain = answers[0] if cell.runtime == PLAIN else first_tensor(call.repeat())
    cell.facts["answer_difference"] = _difference(answers[0], plain)


class Timed(NamedTuple):
    """An answer, the seconds that it took, and the seconds that this process's threads worked meanwhile."""

    seconds: float
    cpu_seconds: float
    answer: Any


def timed(work: Callable[[], Any], device: str) -> Timed:
    """Does the work, the device's queue included."""
    _wait(device)
    begun, worked = time.perf_counter(), time.process_time()
    answer = work()
    _wait(device)
    return Timed(time.perf_counter() - begun, time.process_time() - worked, answer)


def operations(call: Call) -> int | None:
    """Floating-point operations of one call (torch's FlopCounterMode: two for a multiply and add), counted on a
    network without memory; None where it cannot be built again from its configuration."""
    import torch
    from torch.utils import _pytree
    from torch.utils.flop_counter import FlopCounterMode

    kind: Any = type(call.network)
    if not hasattr(kind, "from_config"):
        return None
    with torch.device("meta"):
        network = kind.from_config(dict(call.network.config)).eval()
    bare = lambda leaf: leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf  # noqa: E731
    args, kwargs = _pytree.tree_map(bare, (call.args, call.kwargs))
    dtype = next(call.network.parameters()).dtype
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to(dtype)(*args, **kwargs)
    return int(counter.get_total_flops())


def network_calls(pipeline: Any, steps: int) -> int:
    """How often a sampler calls the network for `steps` steps: PNDM once more than it says."""
    scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
    try:
        scheduler.set_timesteps(steps)
    except ValueError:  # samplers that shift their steps by the size of the image
        return steps
    return len(scheduler.timesteps)


def _parts(pipeline: Any) -> dict[str, list[nn.Module]]:
    parts = {}
    for stage, names in PARTS.items():
        found = [part for part in (getattr(pipeline, name, None) for name in names) if part is not None]
        parts[stage] = [part.decoder for part in found] if stage == "vae" else found
    return parts


class _Enough(Exception):
    """The call of the first step is known: its answer is not needed, nor what follows."""


def _until_first_step(network: nn.Module, draw: Callable[[], Any]) -> None:
    def stop(*_: Any) -> None:
        raise _Enough

    hook = network.register_forward_pre_hook(stop)  # after the hook that remembers the call
    try:
        draw()
    except _Enough:
        pass
    finally:
        hook.remove()


def _difference(answer: Any, reference: Any) -> float:
    """The largest deviation from PyTorch's answer, in standard deviations of that answer."""
    spread = float(reference.float().std()) or 1.0
    return float((answer.float() - reference.float()).abs().max()) / spread


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
    elif device == "mps":
        import torch

        torch.mps.synchronize()
