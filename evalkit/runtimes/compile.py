"""torch.compile: kernels made for this network on this machine. The first call compiles, which takes minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.runtimes import Forward
    from evalkit.runtimes._call import Call

info = {"title": "torch.compile", "package": "torch"}


def prepare(call: Call, folder: Path) -> Forward:
    """The compiled forward, for fixed shapes."""
    import torch

    forward: Forward = torch.compile(call.network.forward, dynamic=False)
    return forward
