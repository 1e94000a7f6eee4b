"""Writes DeciDiffusion 1.0 and SD 1.5 at full size, with random weights, as their repositories lay them out.

File names, tensor names and number formats are those of the published repositories, not those that today's libraries
would write: `text_model.` before a text encoder's names, the autoencoder of SD 1.5 with its attention under the old
names, float16 files with the suffix `.fp16` (SD 1.5) or without (DeciDiffusion), the placeholder network in `unet/`,
and pickles, an unused variant and a script that no loader may open. Where the facts leave a detail open (the older
names inside SD 1.5's autoencoder) the harder case is written.

    python -m tests.full_size FOLDER      # a hub cache, as HF_HOME names it: about 6 GB
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file

from evalkit.models.unet_nas import UNetNAS
from tests.models.test_unet_nas import REAL

Shapes = dict[str, tuple[int, ...]]
DECI, DECI_REVISION = "Deci/DeciDiffusion-v1-0", "99d0c312e8e00e1bfb1aa89ad52b2a34f5829c2d"
SD15, SD15_REVISION = "stable-diffusion-v1-5/stable-diffusion-v1-5", "5" * 40
"""No published commit: the tests' own lock file names it."""
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
VOCABULARY = 49_408
TRAP = "raise SystemExit('remote code was run')\n"


def write_both(cache: Path) -> None:
    """Both repositories into a hub cache (the folder that HF_HOME names)."""
    write_decidiffusion(snapshot(cache, DECI, DECI_REVISION))
    write_stable_diffusion(snapshot(cache, SD15, SD15_REVISION))


def snapshot(cache: Path, repository: str, revision: str) -> Path:
    """Where the hub's client keeps a repository at a revision."""
    return cache / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def write_decidiffusion(folder: Path) -> None:
    """float16 without a suffix; the network in flexible_unet/, a stock one in unet/ that must not be opened."""
    _index(folder, "DeciDiffusionPipeline", "0.20.2", "DDIMScheduler")
    _json(folder / "flexible_unet/config.json", DEFAULT_PARENT | {"configurations": REAL})
    _weights(folder / "flexible_unet/diffusion_pytorch_model.safetensors", _nas_shapes())
    _json(folder / "unet/config.json", UNET_CONFIG)
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"not opened by anyone")
    (folder / "pipeline.py").write_text(TRAP)
    _common(folder, suffix="", vae=_vae_shapes(), scheduler=DECI_SCHEDULER)


def write_stable_diffusion(folder: Path) -> None:
    """The float16 variant whole; of the others only names, which must not be opened."""
    _index(folder, "StableDiffusionPipeline", "0.6.0", "PNDMScheduler")
    _json(folder / "unet/config.json", UNET_CONFIG)
    _weights(folder / "unet/diffusion_pytorch_model.fp16.safetensors", _sd_shapes())
    for name in ("fp16.bin", "bin", "non_ema.bin", "safetensors", "non_ema.safetensors"):
        (folder / f"unet/diffusion_pytorch_model.{name}").write_bytes(b"not opened by anyone")
    vae = {_old_name(key): shape for key, shape in _vae_shapes().items()}
    _common(folder, suffix=".fp16", vae=vae, scheduler=PNDM_SCHEDULER)


def _common(folder: Path, *, suffix: str, vae: Shapes, scheduler: dict[str, Any]) -> None:
    """Autoencoder, text encoder, safety checker and the parts without weights."""
    _json(folder / "vae/config.json", VAE_CONFIG)
    _weights(folder / f"vae/diffusion_pytorch_model{suffix}.safetensors", vae)
    _json(folder / "text_encoder/config.json", TEXT_CONFIG)
    _weights(
        folder / f"text_encoder/model{suffix}.safetensors", _text_shapes(), positions=("text_model.embeddings", 77)
    )
    _json(folder / "safety_checker/config.json", CHECKER_CONFIG)
    inside = ("vision_model.vision_model.embeddings", 257)
    _weights(folder / f"safety_checker/model{suffix}.safetensors", _checker_shapes(), positions=inside)
    _json(folder / "scheduler/scheduler_config.json", scheduler)
    _json(folder / "feature_extractor/preprocessor_config.json", PREPROCESSOR)
    _tokenizer(folder / "tokenizer")


# ---------------------------------------------------------------------------------------- tensors


def _nas_shapes() -> Shapes:
    with torch.device("meta"):
        return _shapes(UNetNAS(configurations=REAL))


def _sd_shapes() -> Shapes:
    with torch.device("meta"):
        return _shapes(UNet2DConditionModel(sample_size=64, cross_attention_dim=768))


def _vae_shapes() -> Shapes:
    with torch.device("meta"):
        return _shapes(AutoencoderKL.from_config(VAE_CONFIG))


def _shapes(network: torch.nn.Module) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def _old_name(key: str) -> str:
    for new, old in OLD_ATTENTION.items():
        key = key.replace(f".attentions.0.{new}.", f".attentions.0.{old}.")
    return key


def _text_shapes(width: int = 768, layers: int = 12) -> Shapes:
    """CLIP ViT-L/14's text tower, 123,060,480 parameters, by the names of 2022."""
    root = "text_model"
    ends = {
        f"{root}.embeddings.token_embedding.weight": (VOCABULARY, width),
        f"{root}.embeddings.position_embedding.weight": (77, width),
    }
    return ends | _tower(f"{root}.encoder", width, layers) | _affine(f"{root}.final_layer_norm", width)


def _checker_shapes(width: int = 1024, layers: int = 24) -> Shapes:
    """CLIP ViT-L/14's vision tower and the concepts: 304 M parameters."""
    root = "vision_model.vision_model"
    ends: Shapes = {
        "concept_embeds": (17, 768),
        "concept_embeds_weights": (17,),
        "special_care_embeds": (3, 768),
        "special_care_embeds_weights": (3,),
        "visual_projection.weight": (768, width),
        f"{root}.embeddings.class_embedding": (width,),
        f"{root}.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        f"{root}.embeddings.position_embedding.weight": (257, width),
    }
    norms = _affine(f"{root}.pre_layrnorm", width) | _affine(f"{root}.post_layernorm", width)
    return ends | norms | _tower(f"{root}.encoder", width, layers)


def _tower(root: str, width: int, layers: int) -> Shapes:
    found: Shapes = {}
    for number in range(layers):
        layer = f"{root}.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= _affine(f"{layer}.self_attn.{part}", width, width)
        found |= _affine(f"{layer}.layer_norm1", width) | _affine(f"{layer}.layer_norm2", width)
        found |= _affine(f"{layer}.mlp.fc1", 4 * width, width) | _affine(f"{layer}.mlp.fc2", width, 4 * width)
    return found


def _affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _weights(path: Path, shapes: Shapes, positions: tuple[str, int] | None = None) -> None:
    """Random float16 tensors, scaled so that numbers stay finite through the network; written whole."""
    random = torch.randn(1 << 22, generator=torch.Generator().manual_seed(len(shapes)))
    tensors = {key: _tensor(key, shape, random) for key, shape in shapes.items()}
    if positions:  # files of that time hold them; today's classes do not
        tensors[f"{positions[0]}.position_ids"] = torch.arange(positions[1])[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})


def _tensor(key: str, shape: tuple[int, ...], random: torch.Tensor) -> torch.Tensor:
    if "embeds_weights" in key:
        return torch.full(shape, 2.0, dtype=torch.float16)  # above any cosine: nothing is flagged
    if len(shape) == 1:
        return torch.full(shape, 0.0 if key.endswith("bias") else 1.0, dtype=torch.float16)
    count = math.prod(shape)
    scale = 0.02 if "embed" in key else 1 / math.sqrt(math.prod(shape[1:]))
    return (random.repeat(-(-count // len(random)))[:count] * scale).half().reshape(shape)


# ---------------------------------------------------------------------------------------- the other files


def _index(folder: Path, pipeline: str, version: str, scheduler: str) -> None:
    parts = {
        "feature_extractor": ["transformers", "CLIPImageProcessor" if version != "0.6.0" else "CLIPFeatureExtractor"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    head = {"_class_name": pipeline, "_diffusers_version": version}
    _json(folder / "model_index.json", head | ({"requires_safety_checker": True} if version != "0.6.0" else {}) | parts)


def _tokenizer(folder: Path) -> None:
    """A byte-level vocabulary of CLIP's size: 256 letters, each also at a word's end, then merges of two."""
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    merges = list(_merges(letters, VOCABULARY - 2 * len(letters) - 2))
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    _json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    _json(folder / "special_tokens_map.json", special | {"pad_token": "<|endoftext|>"})
    _json(folder / "tokenizer_config.json", special | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})


def _merges(letters: list[str], count: int) -> Iterable[tuple[str, str]]:
    for number in range(count):
        first, second = divmod(number, len(letters))
        yield letters[first], f"{letters[second]}</w>"


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


DEFAULT_PARENT = {
    "_class_name": "FlexibleUNet2DConditionModel",
    "_diffusers_version": "0.20.2",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "layers_per_block": 2,
    "sample_size": 64,
}
"""What the published config.json lists beside `configurations`: the network of a parent class, which is not built."""
UNET_CONFIG = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE_CONFIG = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT_CONFIG = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "projection_dim": 768,
    "torch_dtype": "float16",
    "vocab_size": VOCABULARY,
}
CHECKER_CONFIG = {
    "architectures": ["StableDiffusionSafetyChecker"],
    "model_type": "clip",
    "projection_dim": 768,
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12},
    "vision_config": {
        "hidden_size": 1024,
        "image_size": 224,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    },
}
PREPROCESSOR = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
DECI_SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.20.2",
    "beta_end": 0.02,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "clip_sample": False,
    "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "thresholding": False,
    "timestep_spacing": "trailing",
    "trained_betas": None,
}
PNDM_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}

if __name__ == "__main__":
    write_both(Path(sys.argv[1]))
