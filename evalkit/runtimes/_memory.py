"""Peak memory of one call: what the weights take, and how far the memory rises above that while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_of(network: nn.Module, work: Callable[[], Any]) -> int | None:
    """Bytes: the network's weights and the rise while `work` runs; None on a system that does not tell."""
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    device = next(network.parameters()).device
    rise = _rise_on_cuda(work) if device.type == "cuda" else _rise_of_process(work)
    return None if rise is None else weights + rise


def _rise_on_cuda(work: Callable[[], Any]) -> int:
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated() - before)


def _rise_of_process(work: Callable[[], Any]) -> int | None:
    """Linux keeps the process's highest resident size, and resets it when 5 is written to clear_refs."""
    try:
        RESET.write_text("5")
        before = _kibibytes("VmRSS")
        work()
        return max(0, _kibibytes("VmHWM") - before) * 1024
    except (OSError, StopIteration):
        work()
        return None


def _kibibytes(name: str) -> int:
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
