"""DINOv2 ViT-L/14, 1024 features: any checkpoint in the layout of transformers' Dinov2Model, on disk or a hub.

Oquab et al. 2023, arXiv 2304.07193; for Frechet distances: Stein et al. 2023, arXiv 2306.04675. The feature is the
class token after the last normalisation; pictures are resized to 224 x 224 (bicubic, antialias), as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evalkit.errors import ModelError, SpecError
from evalkit.extractors import EmbedPictures, Rows
from evalkit.extractors._network import find_device, run
from evalkit.extractors._pictures import prepared_batches, resize_float
from evalkit.extractors._pretrained import pretrained
from evalkit.settings import Settings
from evalkit.spec.fingerprint import folder_digest

DEFAULT = "facebook/dinov2-large@47b73eefe95e8d44ec3623f8890bd894b6ea2d6c"
"""ViT-L/14 of the papers; the revision that public projects pin for this repository's main branch."""
SIDE = 224
_HUB = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def identity(settings: Settings, model: str | None = None) -> str:
    """Checkpoint and preprocessing, as signatures carry them."""
    source, revision = _find(settings, model)
    name = f"{source.split('/')[-1]}:{revision[:8]}" if revision else _folder_name(Path(source))
    return f"{name}|pil-bicubic-f32-clip-{SIDE}"


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, 1024), not normalised.

    Raises:
        UnavailableError: the checkpoint cannot be fetched.
        ModelError: the folder holds no complete DINOv2.
    """
    source, revision = _find(settings, model)
    device = find_device(settings)
    network, told = pretrained(
        "Dinov2Model", source, revision, use_safetensors=True, dtype="float32", output_loading_info=True
    )
    if lacking := sorted(told["missing_keys"]):
        what = f"DINOv2 lacks {len(lacking)} of its weights, as {lacking[0]}"
        raise ModelError(what, where=source, hint="take a complete checkpoint")
    network = network.eval().requires_grad_(False).to(device)

    def forward(pixels: Any) -> Any:
        return network(pixel_values=pixels).pooler_output

    def embed(paths: Sequence[Path]) -> Iterator[Rows]:
        return run(forward, prepared_batches(paths, prepare), device)

    return embed


def prepare(image: Image.Image) -> Rows:
    """RGB picture -> float32 (3, 224, 224), ImageNet's mean taken off."""
    mean, deviation = (np.array(one, np.float32)[:, None, None] for one in (_MEAN, _DEVIATION))
    grey = np.clip(resize_float(image, SIDE), 0, 255) / 255
    return np.asarray((grey - mean) / deviation, dtype=np.float32)


def _find(settings: Settings, model: str | None) -> tuple[str, str | None]:
    """A folder and None, or a hub repository and its revision."""
    wanted = model or DEFAULT
    for folder in (settings.root / "data" / "weights" / wanted, settings.root / wanted):
        if (folder / "config.json").is_file():
            return str(folder), None
    if match := _HUB.match(wanted):
        return match[1], match[2]
    hint = "write owner/name@REVISION with its 40 hexadecimal digits, or the path of a folder"
    raise SpecError(f"no DINOv2 checkpoint {wanted!r}", where=str(settings.root), hint=hint)


def _folder_name(folder: Path) -> str:
    return f"{folder.name}:{folder_digest(folder)[:8]}"
