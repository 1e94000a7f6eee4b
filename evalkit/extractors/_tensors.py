"""Published weight files: their tensors, and putting them into a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit.errors import ModelError


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors, .pt or .pth file; code inside a pickle is never run (`weights_only`).

    Raises:
        ModelError: no such tensors in it.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        stored = torch.load(path, map_location="cpu", weights_only=True)
        found = stored.get("state_dict", stored)
        return {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    except Exception as error:  # torch and pickle raise many kinds for a damaged file
        told = str(error).strip().splitlines()[0][:150] if str(error).strip() else type(error).__name__
        raise ModelError(f"the weights cannot be read: {told}", where=str(path), hint="fetch them again") from error


def fill(network: Any, tensors: dict[str, Any], where: str) -> Any:
    """Puts tensors into a network, which must take all that it has; what it has no place for is left out.

    Raises:
        ModelError: a tensor is lacking, or of another shape.
    """
    try:
        lacking = network.load_state_dict(tensors, strict=False).missing_keys
    except RuntimeError as error:
        raise ModelError(f"the weights do not fit: {str(error).splitlines()[-1].strip()}", where=where) from error
    if lacking := [name for name in lacking if not name.endswith("position_ids")]:
        hint = "take a complete checkpoint"
        raise ModelError(f"{len(lacking)} of its weights are lacking, as {lacking[0]}", where=where, hint=hint)
    return network.eval().requires_grad_(False)
