"""Which files of a hub repository a card needs."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase

from evalkit.errors import ModelError
from evalkit.spec.catalog import ModelCard, NetworkCard
from evalkit.store.hub import RemoteFile

NEVER = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5", ".onnx", ".py")
"""Pickles and code can run anything, the others are no part of a PyTorch pipeline."""
KNOWN = (".json", ".txt", ".model", ".safetensors")
UNUSED = {"decidiffusion": "unet/"}
"""Folders that a loader never opens: DeciDiffusion's placeholder network has 1.7 GB."""


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


def named_files(card: NetworkCard, there: Sequence[RemoteFile]) -> list[RemoteFile]:
    """The files that a network's card names; of pickles, metrics read nothing but tensors. Never code.

    Raises:
        ModelError: a pattern fits no file.
    """
    safe = [file for file in there if not file.name.endswith(".py")]
    for pattern in card.files:
        if not any(fnmatchcase(file.name, pattern) for file in safe):
            where = f"data/networks/{card.name}.yaml, files"
            raise ModelError(f"no file of {card.source} fits {pattern!r}", where=where)
    return [file for file in safe if any(fnmatchcase(file.name, pattern) for pattern in card.files)]


def _by_layout(card: ModelCard, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """model_index.json and what lies in the folders of components; of several variants, the card's."""
    unused = UNUSED.get(card.loader, "\0")
    index = [file for file in files if file.name == "model_index.json"]
    inside = [file for file in files if file.name.endswith(KNOWN) and "/" in file.name]
    inside = [file for file in inside if not file.name.startswith(unused)]
    weights = {_weights(file.name) for file in inside}
    return index + [file for file in inside if _is_wanted(_weights(file.name), weights, card.variant)]


@dataclass(frozen=True)
class Weights:
    """A weight file (all its shards are one) by its stem and variant: unet/model.fp16-00001-of-00002.safetensors."""

    stem: str
    variant: str | None


def _weights(name: str) -> Weights | None:
    found = re.fullmatch(r"([^.]+)(?:\.([^.]+))?\.safetensors", re.sub(r"-\d{5}-of-\d{5}", "", name))
    return Weights(found[1], found[2]) if found else None


def _is_wanted(own: Weights | None, weights: Set[Weights | None], variant: str | None) -> bool:
    """Whether a file is of the wanted variant; where a component lacks it, the plain one is taken."""
    if own is None or own.variant == variant:
        return True
    return own.variant is None and Weights(own.stem, variant) not in weights
