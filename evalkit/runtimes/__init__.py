"""Ways to execute a network, a file each: `prepare(call, folder)` gives a function in the network's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evalkit import registry

if TYPE_CHECKING:
    from evalkit.runtimes._call import Call

Forward = Callable[..., Any]


class Runtime(Protocol):
    """A file of this package."""

    info: dict[str, str]

    def prepare(self, call: Call, folder: Path) -> Forward:
        """A function that takes what `call.network.forward` takes and gives what it gives."""


def get(name: str) -> Runtime:
    """The runtime of a name.

    Raises:
        SpecError: there is none; the message offers the nearest.
    """
    found: Runtime = registry.get("runtimes", name)
    return found
