"""CLIP, pictures and texts in one space: any checkpoint in the layout of transformers' CLIPModel, on disk or a hub.

Radford et al. 2021, arXiv 2103.00020. Pictures are resized by Pillow (bicubic, 8-bit, shorter side), as it was trained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evalkit.errors import ModelError, SpecError, UnavailableError
from evalkit.extractors import EmbedPictures, EmbedTexts, Rows
from evalkit.extractors._network import find_device, run
from evalkit.extractors._pictures import prepared_batches
from evalkit.registry import unknown
from evalkit.settings import Settings
from evalkit.spec.fingerprint import folder_digest

DEFAULT = "openai/clip-vit-large-patch14@32bd64288804d66eefd0ccbe215aa642df71cc41"
"""ViT-L/14 of the paper; the revision that transformers' users record for this repository's main branch."""
_HUB = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")
_TEXTS_AT_ONCE = 32


@dataclass(frozen=True)
class Checkpoint:
    """Where a CLIP lies: a folder, or a hub repository with its revision."""

    source: str
    revision: str | None
    name: str


def identity(settings: Settings, model: str | None = None) -> str:
    """Checkpoint and preprocessing, as signatures carry them."""
    return f"{find_checkpoint(settings, model).name}|pil-bicubic-u8"


def find_checkpoint(settings: Settings, model: str | None = None) -> Checkpoint:
    """`emoji-clip` (a folder of data/weights/), any folder, or `owner/name@revision` on a hub.

    Raises:
        SpecError: there is no such folder, or a hub repository comes without its revision.
    """
    wanted = model or DEFAULT
    for folder in (settings.root / "data" / "weights" / wanted, settings.root / wanted):
        if (folder / "config.json").is_file():
            return Checkpoint(str(folder), None, f"{folder.name}:{folder_digest(folder)[:8]}")
    if match := _HUB.match(wanted):
        return Checkpoint(match[1], match[2], f"{match[1].split('/')[1]}:{match[2][:8]}")
    if "/" in wanted:
        hint = "write owner/name@REVISION with its 40 hexadecimal digits, or the path of a folder"
        raise SpecError(f"no CLIP checkpoint {wanted!r}", where=str(settings.root), hint=hint)
    raise unknown("CLIP checkpoint", wanted, _embedded(settings), where="data/weights/")


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, projection), not normalised."""
    checkpoint, device = find_checkpoint(settings, model), find_device(settings)
    network = _network(checkpoint, device)
    prepare = _preparation(checkpoint)

    def forward(pixels: Any) -> Any:
        return network.visual_projection(network.vision_model(pixel_values=pixels).pooler_output)

    def embed(paths: Sequence[Path]) -> Iterator[Rows]:
        return run(forward, prepared_batches(paths, prepare), device)

    return embed


def load_text(settings: Settings, model: str | None = None) -> EmbedTexts:
    """A function from texts to rows (n, projection), not normalised; what is beyond the context is cut off."""
    import torch

    checkpoint, device = find_checkpoint(settings, model), find_device(settings)
    network, tokens = _network(checkpoint, device), _tokenizer(checkpoint)
    longest = network.config.text_config.max_position_embeddings

    def embed(texts: Sequence[str]) -> Iterator[Rows]:
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = list(texts[start : start + _TEXTS_AT_ONCE])
            fed = tokens(part, padding=True, truncation=True, max_length=longest, return_tensors="pt").to(device)
            with torch.inference_mode():
                states = network.text_model(input_ids=fed["input_ids"], attention_mask=fed["attention_mask"])
                yield network.text_projection(states.pooler_output).float().cpu().numpy()

    return embed


def excess_tokens(texts: Sequence[str], settings: Settings, model: str | None = None) -> list[int]:
    """How many tokens of each text, start and end included, the text tower does not see; 0 for a text that fits."""
    checkpoint = find_checkpoint(settings, model)
    tokens = _tokenizer(checkpoint)
    longest = _from("CLIPConfig", checkpoint).text_config.max_position_embeddings
    return [max(0, len(tokens(text, verbose=False)["input_ids"]) - longest) for text in texts]


def _network(checkpoint: Checkpoint, device: str) -> Any:
    network, told = _from("CLIPModel", checkpoint, use_safetensors=True, dtype="float32", output_loading_info=True)
    if lacking := sorted(told["missing_keys"]):
        what = f"CLIP lacks {len(lacking)} of its weights, as {lacking[0]}"
        raise ModelError(what, where=checkpoint.source, hint="take a complete checkpoint")
    return network.eval().requires_grad_(False).to(device)


def _tokenizer(checkpoint: Checkpoint) -> Any:
    return _from("CLIPTokenizer", checkpoint)


def _preparation(checkpoint: Checkpoint) -> Callable[[Image.Image], Rows]:
    """RGB picture -> float32 (3, crop, crop), by the checkpoint's own preprocessing file."""
    told = _from("CLIPImageProcessor", checkpoint).to_dict()
    size = told["size"]
    side, crop = int(size.get("shortest_edge") or size["height"]), int(told["crop_size"]["height"])
    mean, deviation = (np.array(told[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))

    def prepare(image: Image.Image) -> Rows:
        pixels = np.asarray(cropped(shorter_side(image, side), crop), dtype=np.float32).transpose(2, 0, 1) / 255
        return np.asarray((pixels - mean) / deviation, dtype=np.float32)

    return prepare


def shorter_side(image: Image.Image, side: int) -> Image.Image:
    """The picture with its shorter side at `side` pixels, aspect ratio kept (the longer one rounded down)."""
    width, height = image.size
    short = min(width, height)
    size = (side if width == short else side * width // short, side if height == short else side * height // short)
    return image.resize(size, Image.Resampling.BICUBIC)


def cropped(image: Image.Image, side: int) -> Image.Image:
    """The middle (side, side) of a picture; black around it where the picture is smaller."""
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _from(kind: str, checkpoint: Checkpoint, **options: Any) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        return getattr(transformers, kind).from_pretrained(checkpoint.source, revision=checkpoint.revision, **options)
    except ImportError:
        raise
    except Exception as error:  # a damaged or absent checkpoint raises many kinds
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if checkpoint.revision:
            hint = "fetch it once while online, or name a folder: {name: ..., model: path/of/folder}"
            raise UnavailableError(f"CLIP cannot be fetched: {told}", where=checkpoint.source, hint=hint) from error
        raise ModelError(f"CLIP cannot be read: {told}", where=checkpoint.source) from error


def _embedded(settings: Settings) -> list[str]:
    weights = settings.root / "data" / "weights"
    return [path.parent.name for path in weights.glob("*/config.json") if '"clip"' in path.read_text(encoding="utf-8")]
