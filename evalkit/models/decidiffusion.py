"""DeciDiffusion from the files of its repository, without its remote code.

The repository's `unet/` is a placeholder that its own pipeline throws away; the network is in `flexible_unet/`. Its
files are half precision without a suffix. The rest is a stock Stable Diffusion: autoencoder, CLIP text encoder, DDIM.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import ModelError
from evalkit.models._components import load_network, load_part
from evalkit.models._pipeline import PipelineGenerator
from evalkit.models._weights import read_json
from evalkit.models.unet_nas import load_unet_nas
from evalkit.spec.catalog import ModelCard

if TYPE_CHECKING:
    import torch


PIPELINE = "DeciDiffusionPipeline"


def load(card: ModelCard, folder: Path, *, dtype: torch.dtype, device: str) -> PipelineGenerator:
    """A StableDiffusionPipeline around the U-Net-NAS; with the safety checker where the files are there.

    Raises:
        ModelError: files are missing, pickled or damaged, or the scheduler is not DDIM.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer

    _check_classes(folder)
    checked = (folder / "safety_checker").is_dir()
    pipeline = StableDiffusionPipeline(
        unet=load_unet_nas(folder / "flexible_unet", dtype=dtype),
        vae=load_network(AutoencoderKL, folder / "vae", dtype=dtype),
        text_encoder=load_network(CLIPTextModel, folder / "text_encoder", dtype=dtype),
        tokenizer=load_part(CLIPTokenizer, folder / "tokenizer"),
        scheduler=load_part(DDIMScheduler, folder / "scheduler"),
        safety_checker=load_network(StableDiffusionSafetyChecker, folder / "safety_checker", dtype=dtype)
        if checked
        else None,
        feature_extractor=load_part(CLIPImageProcessor, folder / "feature_extractor") if checked else None,
        requires_safety_checker=checked,
    )
    return PipelineGenerator(pipeline.to(device), card)


def _check_classes(folder: Path) -> None:
    """The pipeline and the scheduler by their names, before a weight is read. Zero terminal SNR, v-prediction and
    trailing steps are DDIM's to know; another class would read them wrongly."""
    index, scheduler = folder / "model_index.json", folder / "scheduler" / "scheduler_config.json"
    if (folder / "flexible_unet").is_dir() and (name := read_json(index).get("_class_name")) != PIPELINE:
        hint = "loader: diffusers, for a pipeline of diffusers' own"
        raise ModelError(f"the pipeline is {name}, not {PIPELINE}", where=str(index), hint=hint)
    if (name := read_json(scheduler).get("_class_name")) != "DDIMScheduler":
        raise ModelError(f"the scheduler is {name}, but DeciDiffusion's is DDIMScheduler", where=str(scheduler))
