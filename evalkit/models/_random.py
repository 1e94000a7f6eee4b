"""Full-size pipelines with random weights, from data/architectures/NAME.json: for measuring speed without a download.

How long a network takes does not depend on the values of its weights, so anyone can check a claim about speed. What
such a pipeline draws is noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._pipeline import PipelineGenerator
from evalkit.spec.catalog import ModelCard

if TYPE_CHECKING:
    import torch
    from torch import nn

SPREAD = 0.02
DRAWN = (1 << 20) - 3
"""Random numbers that a network is filled with."""
LETTERS = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
"""The 256 characters that stand for bytes in CLIP's vocabulary."""


def load_random(card: ModelCard, root: Path, *, dtype: torch.dtype, device: str, seed: int = 0) -> PipelineGenerator:
    """The card's pipeline at its full size, weights from a normal distribution of spread 0.02.

    Raises:
        ModelError: no architecture is on file for this card.
    """
    import diffusers
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline

    parts = architecture(card.name, root)
    torch.manual_seed(seed)
    scheduler = dict(parts["scheduler"])
    pipeline = StableDiffusionPipeline(
        unet=random_network(parts["unet"], dtype=dtype, device=device),
        vae=AutoencoderKL(**_without_class(parts["vae"])).to(dtype),
        text_encoder=_text_encoder(parts["text_encoder"]).to(dtype),
        tokenizer=_tokenizer(parts["text_encoder"]["max_position_embeddings"]),
        scheduler=getattr(diffusers, scheduler.pop("_class_name"))(**scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return PipelineGenerator(pipeline.to(device), card.model_copy(update={"safety_checker": False}))


def architecture(name: str, root: Path) -> dict[str, Any]:
    """The parts of a model and their configurations.

    Raises:
        ModelError: none is on file.
    """
    path = root / "data" / "architectures" / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.json"))) or "none"
        raise ModelError(f"no architecture on file for {name!r}", where=str(path), hint=f"random weights: {known}")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def network_on_meta(config: dict[str, Any]) -> nn.Module:
    """The denoising network without memory of its own."""
    import torch
    from diffusers import UNet2DConditionModel

    from evalkit.models.unet_nas import unet_nas_class

    kinds = {"UNetNAS": unet_nas_class(), "UNet2DConditionModel": UNet2DConditionModel}
    with torch.device("meta"):
        found: nn.Module = kinds[config["_class_name"]](**_without_class(config)).eval()
    return found


def random_network(config: dict[str, Any], *, dtype: torch.dtype, device: str) -> nn.Module:
    """The denoising network, every weight random: memory is taken once, in the wanted number format."""
    import torch

    network = network_on_meta(config).to(dtype).to_empty(device=device).requires_grad_(False)
    drawn = torch.randn(DRAWN, device=device, dtype=dtype) * SPREAD
    for name, weight in network.named_parameters():
        if weight.dim() > 1:
            _fill(weight, drawn)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return network


def _fill(weight: torch.Tensor, numbers: torch.Tensor) -> None:
    """The same numbers again and again: speed does not ask for more, and nearly a billion take half a minute."""
    flat = weight.view(-1)
    for part in flat.split(len(numbers)):
        part.copy_(numbers[: len(part)])


def _text_encoder(config: dict[str, Any]) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**_without_class(config))).eval()


def _tokenizer(length: int) -> Any:
    """CLIP's tokenizer with its 512 byte tokens and no merges: texts have other numbers, but the same shape."""
    from transformers import CLIPTokenizer

    tokens = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=length)


def _without_class(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "_class_name"}
