"""PyTorch as it is: the network's own forward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.runtimes import Forward
    from evalkit.runtimes._call import Call

info = {"title": "PyTorch", "package": "torch"}


def prepare(call: Call, folder: Path) -> Forward:
    """The network's forward."""
    forward: Forward = call.network.forward
    return forward
