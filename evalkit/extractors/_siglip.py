"""SigLIP, pictures and texts in one space: a checkpoint in the layout of transformers' SiglipModel.

Zhai, Mustafa, Kolesnikov, Beyer 2023, arXiv 2303.15343. Pictures are squeezed to its square by Pillow (bicubic, 8-bit);
texts are padded to its whole context and read without a mask, as it was trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from evalkit.extractors import EmbedPictures, EmbedTexts, Rows
from evalkit.extractors._network import embedding, find_device
from evalkit.extractors._pictures import Prepare
from evalkit.extractors._pretrained import pretrained
from evalkit.extractors.clip import Checkpoint, complete_network
from evalkit.settings import Settings

TITLE, AT_ONCE = "SigLIP", 32


def load_pictures(checkpoint: Checkpoint, settings: Settings) -> EmbedPictures:
    """A function from picture files to rows (n, width), not normalised."""
    prepare, side = _preparation(checkpoint)
    return embedding(_image_tower(complete_network("SiglipModel", checkpoint, "cpu")), prepare, side, settings)


def load_texts(checkpoint: Checkpoint, settings: Settings) -> EmbedTexts:
    """A function from texts to rows (n, width), not normalised; what is beyond the context is cut off."""
    import torch

    device = find_device(settings)
    network, tokens = complete_network("SiglipModel", checkpoint, device), _tokenizer(checkpoint)
    longest = network.config.text_config.max_position_embeddings

    def embed(texts: Sequence[str]) -> Iterator[Rows]:
        for start in range(0, len(texts), AT_ONCE):
            part = list(texts[start : start + AT_ONCE])
            fed = tokens(part, padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
            with torch.inference_mode():
                yield network.text_model(input_ids=fed["input_ids"].to(device)).pooler_output.float().cpu().numpy()

    return embed


def excess_tokens(texts: Sequence[str], checkpoint: Checkpoint) -> list[int]:
    """How many tokens of each text, the end included, the text tower does not see; 0 for a text that fits."""
    tokens = _tokenizer(checkpoint)
    longest = _from("SiglipConfig", checkpoint).text_config.max_position_embeddings
    return [max(0, len(tokens(text, verbose=False)["input_ids"]) - longest) for text in texts]


def _image_tower(network: Any) -> Any:
    """The half that sees pictures, as a module of its own: pixels -> rows (n, width)."""
    from torch import nn

    class Tower(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.vision = network.vision_model

        def forward(self, pixels: Any) -> Any:
            return self.vision(pixel_values=pixels).pooler_output

    return Tower().eval()


def _tokenizer(checkpoint: Checkpoint) -> Any:
    return _from("AutoTokenizer", checkpoint)


def _preparation(checkpoint: Checkpoint) -> tuple[Prepare, int]:
    """RGB picture -> float32 (3, side, side), by the checkpoint's own preprocessing file; and side."""
    told = _from("SiglipImageProcessor", checkpoint).to_dict()
    side = int(told["size"]["height"])
    mean, deviation = (np.array(told[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))

    def prepare(image: Image.Image) -> Rows:
        square = image.resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.asarray(square, dtype=np.float32).transpose(2, 0, 1) / 255
        return np.asarray((pixels - mean) / deviation, dtype=np.float32)

    return prepare, side


def _from(kind: str, checkpoint: Checkpoint, **options: Any) -> Any:
    return pretrained(kind, checkpoint.source, checkpoint.revision, **options)
