"""Draws with the exported pair as anyone would: plain diffusers pipelines, read from data/weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 24
LARGEST_SEED = 2**31


@dataclass(frozen=True)
class Guidance:
    """Strength of classifier-free guidance, and the share of its rescaling (Lin et al. 2024, section 3.4)."""

    scale: float = 2.0
    rescale: float = 0.7


def load(folder: Path) -> Any:
    """The pipeline in `folder`: emoji-sd by diffusers alone, emoji-nas by evalkit's DeciDiffusion loader."""
    from diffusers import StableDiffusionPipeline

    stock = (folder / "unet").is_dir()
    pipeline = StableDiffusionPipeline.from_pretrained(folder) if stock else _with_nas(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Any, prompts: Sequence[str], steps: int, guidance: Guidance = Guidance(), seed: int = 0
) -> NDArray[np.uint8]:
    """One picture for each prompt (n, 64, 64, 3); picture i starts from noise of its own seed, `seed` + i."""
    import torch

    parts = []
    for start in range(0, len(prompts), BATCH):
        chunk = list(prompts[start : start + BATCH])
        generators = [torch.Generator().manual_seed((seed + start + i) % LARGEST_SEED) for i in range(len(chunk))]
        parts.append(
            pipeline(
                chunk,
                height=64,
                width=64,
                num_inference_steps=steps,
                guidance_scale=guidance.scale,
                guidance_rescale=guidance.rescale,
                generator=generators,
                output_type="np",
            ).images
        )
    pictures: NDArray[np.uint8] = (np.concatenate(parts) * 255 + 0.5).astype(np.uint8)
    return pictures


def _with_nas(folder: Path) -> Any:
    import torch

    from evalkit.models import decidiffusion
    from evalkit.spec.catalog import ModelCard

    card = ModelCard(name=folder.name, title=folder.name, loader="decidiffusion", source=str(folder), size=64)
    return decidiffusion.load(card, folder, dtype=torch.float32, device="cpu").pipeline
