"""Strict reading of safetensors checkpoints: what does not fit is an error that lists the differences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError

if TYPE_CHECKING:
    import torch

STEM = "diffusion_pytorch_model"


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; ModelError if there is none."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"no {path.name} in the checkpoint", where=str(path.parent)) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} is not readable JSON: {error}", where=str(path)) from error
    if not isinstance(read, dict):
        raise ModelError(f"{path.name} holds no JSON object", where=str(path))
    return read


def load_strictly(
    net: torch.nn.Module, folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu", stem: str = STEM
) -> None:
    """Fill `net` (it may be on the meta device) with the tensors of `folder`, keys and shapes equal one by one.

    Tensors are copied one at a time and the file is let go in between: the peak is the result and one tensor.

    Raises:
        ModelError: no safetensors file (only pickled ones), a damaged one, or keys or shapes that differ.
    """
    files = weight_files(folder, stem)
    expected = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    found: dict[str, tuple[int, ...]] = {}
    where: dict[str, Path] = {}
    for path in files:
        shapes = tensor_shapes(path)
        if twice := sorted(found.keys() & shapes.keys()):
            raise ModelError(f"{twice[0]} is in two files of the checkpoint", where=str(folder))
        found.update(shapes)
        where.update(dict.fromkeys(shapes, path))
    if differences := list(describe_differences(expected, found)):
        raise ModelError("the weights do not fit the network: " + "; ".join(differences), where=str(folder))
    tensors = {key: _read_tensor(where[key], key, dtype, device) for key in expected}
    net.load_state_dict(tensors, strict=True, assign=True)


def weight_files(folder: Path, stem: str = STEM) -> list[Path]:
    """The safetensors file of `folder`, or the shards that its index names."""
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        if wrong := [name for name in names if Path(name).name != name or not (folder / name).is_file()]:
            raise ModelError(f"the index names a shard that is not in the folder: {wrong[0]!r}", where=str(index))
        return [folder / name for name in names]
    if pickled := sorted(path.name for path in folder.glob("*") if path.suffix in {".bin", ".pt", ".pth", ".ckpt"}):
        raise ModelError(
            f"only pickled weights ({pickled[0]}); they can run code and are never read",
            where=str(folder),
            hint="convert them to safetensors, or take a revision that has them",
        )
    raise ModelError(f"no {single.name} in the checkpoint", where=str(folder))


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a safetensors file, from its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"damaged safetensors file: {error}", where=str(path), hint="fetch it again") from error


def describe_differences(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> Iterable[str]:
    """What differs between two sets of tensors, in readable parts; nothing when they are alike."""
    if missing := [key for key in expected if key not in found]:
        yield f"{len(missing)} of {len(expected)} tensors missing ({_some(missing)})"
    if surplus := [key for key in found if key not in expected]:
        yield f"{len(surplus)} tensors not in the network ({_some(surplus)})"
    shapes = [key for key in expected if key in found and expected[key] != found[key]]
    if shapes:
        each = [f"{key}: file {list(found[key])}, network {list(expected[key])}" for key in shapes]
        yield f"{len(shapes)} of another shape ({_some(each)})"


def _some(names: list[str], at_most: int = 5) -> str:
    return ", ".join(names[:at_most]) + (f", and {len(names) - at_most} more" if len(names) > at_most else "")


def _read_tensor(path: Path, key: str, dtype: torch.dtype | None, device: str) -> torch.Tensor:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(key)
        if not tensor.is_floating_point():
            raise ModelError(f"{key} holds {tensor.dtype}, not floating-point numbers", where=str(path))
        return tensor.to(device=device, dtype=dtype or tensor.dtype, copy=True)
