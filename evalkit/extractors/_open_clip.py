"""CLIP weights in OpenCLIP's layout, as transformers' CLIPModel. Ilharco et al. 2021, doi 10.5281/zenodo.5143773."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit.extractors._tensors import fill, read_tensors

_NAMES = (
    (r"^(visual\.)?transformer\.resblocks\.(\d+)\.", r"\1layers.\2."),
    (r"\.ln_1\.", ".layer_norm1."),
    (r"\.ln_2\.", ".layer_norm2."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"^visual\.layers\.", "vision_model.encoder.layers."),
    (r"^layers\.", "text_model.encoder.layers."),
    (r"^visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
)
_PROJECTIONS = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}


def from_open_clip(path: Path, config: Any) -> Any:
    """A CLIPModel of this configuration with the weights of a file in OpenCLIP's layout.

    Raises:
        ModelError: the file cannot be read, or does not fit the configuration.
    """
    from transformers import CLIPModel

    return fill(CLIPModel(config), renamed(read_tensors(path)), str(path))


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    """OpenCLIP's names to transformers': attention is one matrix there and three here, projections are transposed."""
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        if name in _PROJECTIONS:
            found[_PROJECTIONS[name]] = tensor.T.contiguous()
        elif whole := re.search(r"\.attn\.in_proj_(weight|bias)$", name):
            stem = _renamed(name[: whole.start()] + ".")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{stem}self_attn.{part}_proj.{whole[1]}"] = piece
        else:
            found[_renamed(name)] = tensor
    return found


def _renamed(name: str) -> str:
    for pattern, target in _NAMES:
        name = re.sub(pattern, target, name)
    return name
