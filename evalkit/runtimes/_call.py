"""A call of a network, kept so that it can be made again: by itself, and by another runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Call:
    """A module and what it was called with, in a real drawing."""

    network: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def repeat(self, forward: Callable[..., Any] | None = None) -> Any:
        """The answer once more; by `forward`, if one is given, in the network's place."""
        import torch

        with torch.inference_mode():
            return (forward or self.network.forward)(*self.args, **self.kwargs)

    def tensors(self) -> list[torch.Tensor]:
        """The tensors among the arguments, in the order of torch's pytree."""
        import torch
        from torch.utils import _pytree

        leaves, _ = _pytree.tree_flatten((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


@contextmanager
def replaced(network: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Runs `network` by `forward` for a while."""
    network.forward = forward
    try:
        yield
    finally:
        del network.forward


@contextmanager
def first_calls(parts: dict[str, nn.Module]) -> Iterator[dict[str, Call]]:
    """Remembers the first call of each module while a pipeline draws."""
    found: dict[str, Call] = {}

    def remember(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found.setdefault(name, Call(module, _kept(args), _kept(kwargs)))

        return hook

    hooks = [part.register_forward_pre_hook(remember(name), with_kwargs=True) for name, part in parts.items()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def as_function(call: Call) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The network as a module of tensors alone, for exporters: tensors in, the answer's tensor out.

    Everything else that it was called with is fixed.
    """
    import torch
    from torch.utils import _pytree

    leaves, shape = _pytree.tree_flatten((call.args, call.kwargs))
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    original = type(call.network).forward

    class Function(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = call.network

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            filled = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            args, kwargs = _pytree.tree_unflatten(filled, shape)
            return first_tensor(original(self.network, *args, **kwargs))

    return Function().eval(), tuple(call.tensors())


def by_tensors(call: Call, run: Callable[[list[torch.Tensor]], torch.Tensor]) -> Callable[..., Any]:
    """A forward that hands the tensors of its arguments to `run`, and gives the answer as pipelines expect it."""
    import torch
    from torch.utils import _pytree

    if call.kwargs.get("return_dict") is not False:
        raise ModelError("this pipeline asks its network for a dictionary: only return_dict=False can be exported")

    def forward(*args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        leaves, _ = _pytree.tree_flatten((args, kwargs))
        return (run([leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]),)

    return forward


def first_tensor(answer: Any) -> torch.Tensor:
    """The tensor of a network's answer, whether tuple or record."""
    import torch

    if isinstance(answer, torch.Tensor):
        return answer
    found: torch.Tensor = answer[0]
    return found


def _kept(value: Any) -> Any:
    """Arguments with tensors copied: a sampler may change its own in place."""
    import torch
    from torch.utils import _pytree

    return _pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, value)
