"""CLIP, pictures and texts in one space: any checkpoint in the layout of transformers' CLIPModel, on disk or a hub.

Radford et al. 2021, arXiv 2103.00020. Pictures are resized by Pillow (bicubic, 8-bit, shorter side), as it was trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evalkit.errors import ModelError, SpecError
from evalkit.extractors import EmbedPictures, EmbedTexts, Rows
from evalkit.extractors._class_token import class_token_layer
from evalkit.extractors._network import embedding, find_device
from evalkit.extractors._open_clip import from_open_clip
from evalkit.extractors._pictures import Prepare
from evalkit.extractors._pretrained import pretrained
from evalkit.registry import unknown
from evalkit.settings import Settings
from evalkit.spec.fingerprint import folder_digest

TITLE = "CLIP"
DEFAULT = "openai/clip-vit-large-patch14@32bd64288804d66eefd0ccbe215aa642df71cc41"
"""ViT-L/14 of the paper; the revision that transformers' users record for this repository's main branch."""
_HUB = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")
_TEXTS_AT_ONCE, _LETTERS_AT_ONCE = 32, 1200
"""Letters with padding: some 300 tokens"""


@dataclass(frozen=True)
class Checkpoint:
    """Where a CLIP lies: a folder, or a hub repository with its revision.

    `tensors`: weights in OpenCLIP's layout, read from this file instead; `source` has the configuration and the rest.
    `base`: where tokenizer and preprocessing lie, if not with the weights.
    `padded`: pictures that are no squares get black bars and keep all they show; else their middle is cut out.
    """

    source: str
    revision: str | None
    name: str
    tensors: Path | None = None
    padded: bool = False
    base: Checkpoint | None = None

    @property
    def identity(self) -> str:
        """Checkpoint and preprocessing, as signatures carry them."""
        return f"{self.name}|pil-bicubic-u8{'-padded' if self.padded else ''}"


def identity(settings: Settings, model: str | None = None) -> str:
    """Checkpoint and preprocessing, as signatures carry them."""
    return find_checkpoint(settings, model).identity


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
    return load_pictures(find_checkpoint(settings, model), settings)


def load_pictures(checkpoint: Checkpoint, settings: Settings) -> EmbedPictures:
    """The same for a checkpoint that was found."""
    prepare, side = _preparation(checkpoint)
    return embedding(_image_tower(_network(checkpoint, "cpu")), prepare, side, settings)


def load_text(settings: Settings, model: str | None = None) -> EmbedTexts:
    """A function from texts to rows (n, projection), not normalised; what is beyond the context is cut off."""
    return load_texts(find_checkpoint(settings, model), settings)


def load_texts(checkpoint: Checkpoint, settings: Settings) -> EmbedTexts:
    """The same for a checkpoint that was found."""
    import torch

    device = find_device(settings)
    network, tokens = _network(checkpoint, device), _tokenizer(checkpoint)
    longest = network.config.text_config.max_position_embeddings

    def embed(texts: Sequence[str]) -> Iterator[Rows]:
        for part in _little_padded(texts):
            fed = tokens(part, padding=True, truncation=True, max_length=longest, return_tensors="pt").to(device)
            with torch.inference_mode():
                states = network.text_model(input_ids=fed["input_ids"], attention_mask=fed["attention_mask"])
                yield network.text_projection(states.pooler_output).float().cpu().numpy()

    return embed


def _little_padded(texts: Sequence[str]) -> Iterator[list[str]]:
    """Batches in order; few texts where they are long, so that short ones are not padded to the length of those."""
    part: list[str] = []
    for text in texts:
        longest = max(len(text), *map(len, part), 1)
        if len(part) == _TEXTS_AT_ONCE or (part and longest * (len(part) + 1) > _LETTERS_AT_ONCE):
            yield part
            part = []
        part.append(text)
    if part:
        yield part


def excess_tokens(texts: Sequence[str], checkpoint: Checkpoint) -> list[int]:
    """How many tokens of each text, start and end included, the text tower does not see; 0 for a text that fits."""
    tokens = _tokenizer(checkpoint)
    longest = _from("CLIPConfig", checkpoint).text_config.max_position_embeddings
    return [max(0, len(tokens(text, verbose=False)["input_ids"]) - longest) for text in texts]


def logit_scale(checkpoint: Checkpoint) -> float:
    """What a CLIP multiplies its cosines with: exp of its own temperature parameter."""
    return float(_network(checkpoint, "cpu").logit_scale.exp())


def _network(checkpoint: Checkpoint, device: str) -> Any:
    if checkpoint.tensors:
        return from_open_clip(checkpoint.tensors, _from("CLIPConfig", checkpoint)).to(device)
    return complete_network("CLIPModel", checkpoint, device)


def complete_network(kind: str, checkpoint: Checkpoint, device: str) -> Any:
    """A network of transformers, by the name of its class, ready to look.

    Raises:
        ModelError: the checkpoint lacks some of its weights.
    """
    network, told = _from(kind, checkpoint, use_safetensors=True, dtype="float32", output_loading_info=True)
    if lacking := sorted(told["missing_keys"]):
        what = f"{kind.removesuffix('Model')} lacks {len(lacking)} of its weights, as {lacking[0]}"
        raise ModelError(what, where=checkpoint.source, hint="take a complete checkpoint")
    return network.eval().requires_grad_(False).to(device)


def _image_tower(network: Any) -> Any:
    """The half of a CLIPModel that sees pictures, as a module of its own: pixels -> rows (n, projection)."""
    from torch import nn

    class Tower(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.vision, self.projection = network.vision_model, network.visual_projection

        def forward(self, pixels: Any) -> Any:
            return self.projection(self.vision(pixel_values=pixels).pooler_output)

    tower = Tower()
    layers = tower.vision.encoder.layers
    layers[-1] = class_token_layer(layers[-1])
    return tower.eval()


def _tokenizer(checkpoint: Checkpoint) -> Any:
    return _from("CLIPTokenizer", checkpoint.base or checkpoint)


def _preparation(checkpoint: Checkpoint) -> tuple[Prepare, int]:
    """RGB picture -> float32 (3, crop, crop), by the checkpoint's own preprocessing file; and crop."""
    told = _from("CLIPImageProcessor", checkpoint.base or checkpoint).to_dict()
    size = told["size"]
    side, crop = int(size.get("shortest_edge") or size["height"]), int(told["crop_size"]["height"])
    fitted = padded if checkpoint.padded else filled
    mean, deviation = (np.array(told[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))

    def prepare(image: Image.Image) -> Rows:
        pixels = np.asarray(fitted(image, side, crop), dtype=np.float32).transpose(2, 0, 1) / 255
        return np.asarray((pixels - mean) / deviation, dtype=np.float32)

    return prepare, crop


def filled(image: Image.Image, side: int, crop: int) -> Image.Image:
    """The middle (crop, crop) of the picture with its shorter side at `side`."""
    return cropped(shorter_side(image, side), crop)


def padded(image: Image.Image, side: int, crop: int) -> Image.Image:
    """The whole picture, its longer side at `crop`, in the middle of black (HPSv2's own way)."""
    scale = crop / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return cropped(image if image.size == size else image.resize(size, Image.Resampling.BICUBIC), crop)


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
    return pretrained(kind, checkpoint.source, checkpoint.revision, **options)


def _embedded(settings: Settings) -> list[str]:
    weights = settings.root / "data" / "weights"
    return [path.parent.name for path in weights.glob("*/config.json") if '"clip"' in path.read_text(encoding="utf-8")]
