"""Which files of a hub repository a card needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from evalkit.errors import ModelError
from evalkit.spec.catalog import ModelCard

NEVER = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5", ".onnx", ".py")
"""Pickles and code can run anything, the others are no part of a PyTorch pipeline."""
KNOWN = (".json", ".txt", ".model", ".safetensors")
UNUSED = {"decidiffusion": "unet/"}
"""Folders that a loader never opens: DeciDiffusion's placeholder network has 1.7 GB."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub."""

    name: str
    bytes: int


def chosen_files(card: ModelCard, there: Sequence[RemoteFile]) -> list[RemoteFile]:
    """The files that the card's patterns name; without patterns, those that its loader reads.

    Raises:
        ModelError: there are none, or a pattern fits no file.
    """
    safe = [file for file in there if not file.name.endswith(NEVER)]
    if not card.files:
        found = _by_layout(card, safe)
    else:
        for pattern in card.files:
            if not any(fnmatchcase(file.name, pattern) for file in safe):
                where = f"data/models/{card.name}.yaml, files"
                raise ModelError(f"no safe file of {card.source} fits {pattern!r}", where=where)
        found = [file for file in safe if any(fnmatchcase(file.name, pattern) for pattern in card.files)]
    if not any(file.name.endswith(".safetensors") for file in found):
        raise ModelError("the repository has no safetensors for this card", where=card.source, hint="check `variant`")
    return found


def _by_layout(card: ModelCard, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """model_index.json and what lies in the folders of components; of several variants, the card's."""
    unused = UNUSED.get(card.loader, "\0")
    inside = [file for file in files if file.name.endswith(KNOWN) and "/" in file.name]
    inside = [file for file in inside if not file.name.startswith(unused)]
    names = {file.name for file in inside}
    index = [file for file in files if file.name == "model_index.json"]
    return index + [file for file in inside if _is_wanted(file.name, names, card.variant)]


def _is_wanted(name: str, names: set[str], variant: str | None) -> bool:
    """Whether weights are of the wanted variant; where a component lacks it, the plain ones are."""
    folder, _, file = name.rpartition("/")
    parts = file.split(".")
    if "safetensors" not in parts:
        return True
    own = parts[1] if parts[1] != "safetensors" else None
    if own == variant:
        return True
    return own is None and f"{folder}/{parts[0]}.{variant}.{'.'.join(parts[1:])}" not in names
