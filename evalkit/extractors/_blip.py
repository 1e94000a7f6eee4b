"""BLIP weights in their first authors' layout, as transformers' modules. Li, Li, Xiong, Hoi 2022, arXiv 2201.12086."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from evalkit.errors import ModelError
from evalkit.extractors._tensors import fill

HEAD_SIZE = 64
"""Width of an attention head, in every published BLIP."""
_VISION = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.\1."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
    (r"\.attn\.", ".self_attn."),
    (r"^norm\.", "post_layernorm."),
)


@dataclass(frozen=True)
class TextAndPicture:
    """A text encoder that looks at a picture: called with pixels, token ids and their mask, gives the first state."""

    vision: Any
    text: Any
    side: int

    def to(self, device: str) -> TextAndPicture:
        return TextAndPicture(self.vision.to(device), self.text.to(device), self.side)

    def __call__(self, pixels: Any, ids: Any, mask: Any) -> Any:
        import torch

        seen = self.vision(pixel_values=pixels).last_hidden_state
        everywhere = torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device)
        picture = {"encoder_hidden_states": seen, "encoder_attention_mask": everywhere}
        return self.text(input_ids=ids, attention_mask=mask, **picture).last_hidden_state[:, 0]


def from_blip(tensors: dict[str, Any], where: str) -> TextAndPicture:
    """The network that tensors under `blip.visual_encoder.` and `blip.text_encoder.` make; sizes are read off them.

    Raises:
        ModelError: they are no BLIP, or not all of one.
    """
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    vision, text = (_below(tensors, f"blip.{part}_encoder.") for part in ("visual", "text"))
    try:
        side, vision_config = _vision_config(vision)
        text_config = _text_config(text)
    except (KeyError, ValueError) as error:
        raise ModelError(f"no BLIP: {error} is lacking", where=where, hint="fetch it again") from error
    renamed = {_renamed(name): tensor for name, tensor in vision.items()}
    reader = fill(BlipTextModel(text_config, add_pooling_layer=False), text, where)
    return TextAndPicture(fill(BlipVisionModel(vision_config), renamed, where), reader, side)


def _below(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor.float() for name, tensor in tensors.items() if name.startswith(prefix)}


def _vision_config(tensors: dict[str, Any]) -> tuple[int, Any]:
    from transformers import BlipVisionConfig

    width, patch = tensors["patch_embed.proj.weight"].shape[0], tensors["patch_embed.proj.weight"].shape[-1]
    side = round((tensors["pos_embed"].shape[1] - 1) ** 0.5) * patch
    config = BlipVisionConfig(
        hidden_size=width,
        intermediate_size=tensors["blocks.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=_layers(tensors, r"blocks\.(\d+)\."),
        num_attention_heads=width // HEAD_SIZE,
        image_size=side,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
    )
    return side, config


def _text_config(tensors: dict[str, Any]) -> Any:
    from transformers import BlipTextConfig

    words = tensors["embeddings.word_embeddings.weight"]
    return BlipTextConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        encoder_hidden_size=tensors["encoder.layer.0.crossattention.self.key.weight"].shape[1],
        intermediate_size=tensors["encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=_layers(tensors, r"encoder\.layer\.(\d+)\."),
        num_attention_heads=words.shape[1] // HEAD_SIZE,
        max_position_embeddings=tensors["embeddings.position_embeddings.weight"].shape[0],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        is_decoder=True,
    )


def _layers(tensors: dict[str, Any], pattern: str) -> int:
    return 1 + max(int(found[1]) for name in tensors if (found := re.match(pattern, name)))


def _renamed(name: str) -> str:
    for pattern, target in _VISION:
        name = re.sub(pattern, target, name)
    return name
