"""Tiny random checkpoints in the real layouts, for tests: a stock Stable Diffusion, and a DeciDiffusion."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from evalkit.models.unet_nas import UNetNAS

WIDTH, SIZE = 8, 64
CONFIGURATIONS = {
    "sample_size": 8,
    "temb_dim": 16,
    "resnet_eps": 1e-5,
    "resnet_act_fn": "silu",
    "num_attention_heads": 2,
    "cross_attention_dim": WIDTH,
    "mix_block_in_forward": True,
    "down_blocks_in_channels": [8, 8],
    "down_blocks_out_channels": [8, 16],
    "down_blocks_num_resnets": [1, 1],
    "down_blocks_num_attentions": [0, 1],
    "add_downsample": [True, True],
    "add_upsample_mid_block": True,
    "mid_num_resnets": 1,
    "mid_num_attentions": 1,
    "prev_output_channels": [16, 16],
    "up_blocks_num_resnets": [2, 2],
    "up_blocks_num_attentions": [2, 0],
    "add_upsample": [True, False],
}


def write_stable_diffusion(folder: Path, *, seed: int = 0, safety_checker: bool = False, variant=None) -> Path:
    """The layout of Stable Diffusion 1.5: model_index.json and a folder for each part."""
    return _copied(_stable_diffusion(seed, safety_checker, variant), folder)


def write_decidiffusion(folder: Path, *, seed: int = 0, safety_checker: bool = False) -> Path:
    """The layout of DeciDiffusion 1.0: the network in flexible_unet/, half precision without a suffix."""
    return _copied(_decidiffusion(seed, safety_checker), folder)


def _copied(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


@cache
def _stable_diffusion(seed: int, safety_checker: bool, variant: str | None) -> Path:
    """Made once per process; every test gets a copy."""
    folder = _place()
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=WIDTH,
    )
    pipeline = StableDiffusionPipeline(unet=unet, requires_safety_checker=False, **parts(safety_checker))
    pipeline.save_pretrained(folder, variant=variant)
    return folder


@cache
def _decidiffusion(seed: int, safety_checker: bool) -> Path:
    folder = _place()
    write_stable_diffusion(folder, seed=seed, safety_checker=safety_checker)
    (folder / "unet").rename(folder / "unet.placeholder")
    torch.manual_seed(seed + 1)
    UNetNAS(configurations=CONFIGURATIONS, norm_num_groups=4).half().save_pretrained(folder / "flexible_unet")
    (folder / "unet.placeholder").rename(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "DeciDiffusionPipeline"}))
    return folder


def _place() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="evalkit-checkpoint-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def parts(safety_checker: bool = False) -> dict:
    """Everything but the denoising network."""
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=SIZE,
    )
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=77)
    text = {
        "hidden_size": WIDTH,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": len(tokens),
        "bos_token_id": len(tokens) - 2,
        "eos_token_id": len(tokens) - 1,
        "pad_token_id": len(tokens) - 1,
    }
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        set_alpha_to_one=False,
        steps_offset=1,
        clip_sample=False,
    )
    return {
        "vae": vae,
        "text_encoder": CLIPTextModel(CLIPTextConfig(**text)),
        "tokenizer": tokenizer,
        "scheduler": scheduler,
        "safety_checker": _checker() if safety_checker else None,
        "feature_extractor": CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16) if safety_checker else None,
    }


def _checker() -> StableDiffusionSafetyChecker:
    """A checker that objects to everything: its thresholds are below any similarity."""
    vision = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=8))
    torch.nn.init.constant_(checker.concept_embeds_weights, -2.0)
    return checker
