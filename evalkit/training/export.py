"""Writes the trained networks to data/weights in the layouts that the usual loaders read: fp16 safetensors."""

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.training import denoiser

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer


def export_clip(clip: "CLIPModel", words: "CLIPTokenizer", folder: Path) -> None:
    """emoji-clip: CLIPModel and CLIPProcessor files (tokenizer; pictures at 64 pixels, scaled to -1..1)."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    half = [0.5, 0.5, 0.5]
    pictures = CLIPImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, image_mean=half, image_std=half
    )
    clip.half().save_pretrained(folder)
    clip.float()
    _load_as_single(folder / "config.json")
    CLIPProcessor(image_processor=pictures, tokenizer=words).save_pretrained(folder)
    pictures.save_pretrained(folder)
    _write_word_files(words, folder)


def export_sd(parts: dict[str, Any], folder: Path) -> None:
    """emoji-sd: a plain StableDiffusionPipeline. parts: vae, text_encoder, tokenizer, unet."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        **parts,
        scheduler=denoiser.baseline_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=_half())
    pipeline.save_pretrained(folder)
    pipeline.to(dtype=_single())
    _as_published(folder / "text_encoder")
    _write_word_files(parts["tokenizer"], folder / "tokenizer")


def export_nas(parts: dict[str, Any], folder: Path) -> None:
    """emoji-nas: DeciDiffusion's layout; its network lies in flexible_unet/. parts: as for `export_sd`."""
    for name in ("vae", "text_encoder"):
        parts[name].half().save_pretrained(folder / name)
        parts[name].float()
    _as_published(folder / "text_encoder")
    parts["unet"].half().save_pretrained(folder / "flexible_unet")
    parts["unet"].float()
    parts["tokenizer"].save_pretrained(folder / "tokenizer")
    denoiser.scheduler().save_pretrained(folder / "scheduler")
    _write_word_files(parts["tokenizer"], folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(_nas_index(), indent=2) + "\n", encoding="utf-8")


def text_encoder(clip: "CLIPModel") -> "CLIPTextModel":
    """The text tower of `clip` as a model of its own, with copied weights."""
    from transformers import CLIPTextModel

    tower = CLIPTextModel(deepcopy(clip.config.text_config))
    prefix = "text_model."
    bare = {name.removeprefix(prefix): value for name, value in clip.text_model.state_dict().items()}
    own = {name: bare[name.removeprefix(prefix)].clone() for name in tower.state_dict()}
    tower.load_state_dict(own, strict=True)
    return tower.eval()


def scaled(autoencoder: "AutoencoderKL", scaling_factor: float) -> "AutoencoderKL":
    """The autoencoder with its scaling factor (1 / standard deviation of the latents) in its configuration."""
    autoencoder.register_to_config(scaling_factor=round(scaling_factor, 6))
    return autoencoder


def megabytes(folders: Iterable[Path]) -> float:
    """Size of all files under the folders, 10^6 bytes."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) / 1e6


def _write_word_files(words: "CLIPTokenizer", folder: Path) -> None:
    """vocab.json and merges.txt beside tokenizer.json: what releases of transformers before 5 read."""
    state = json.loads(words.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(state["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = [" ".join(pair) if isinstance(pair, list) else pair for pair in state["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")


def _as_published(folder: Path) -> None:
    """Tensor names with the prefix that published text encoders have, and that older releases of transformers need."""
    from safetensors.torch import load_file, save_file

    _load_as_single(folder / "config.json")
    path = folder / "model.safetensors"
    prefix = "text_model."
    tensors = {prefix + name.removeprefix(prefix): value for name, value in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def _load_as_single(path: Path) -> None:
    """Let transformers make float32 of the stored halves, as diffusers does: one type throughout the pipeline."""
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(_single_dtype(config), indent=2) + "\n", encoding="utf-8")


def _single_dtype(config: Any) -> Any:
    if not isinstance(config, dict):
        return config
    return {
        key: "float32" if key in ("dtype", "torch_dtype") else _single_dtype(value) for key, value in config.items()
    }


def _nas_index() -> dict[str, Any]:
    import diffusers

    return {
        "_class_name": "DeciDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _half() -> Any:
    import torch

    return torch.float16


def _single() -> Any:
    import torch

    return torch.float32
