"""Tiny random checkpoints of SDXL, PixArt-alpha, SD 3.5 and FLUX.1 in their real diffusers layouts, for tests."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from tests.checkpoints import parts


def write_sdxl(folder: Path, *, turbo: bool = False, variant: str | None = "fp16") -> Path:
    """Stable Diffusion XL; turbo: its distilled form's scheduler. Files as in the repository: with .fp16."""
    torch.manual_seed(0)
    stock = parts()
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=8 + 6 * 4,
        cross_attention_dim=16,
    )
    kind = EulerAncestralDiscreteScheduler if turbo else EulerDiscreteScheduler
    pipeline = StableDiffusionXLPipeline(
        unet=unet,
        vae=stock["vae"],
        text_encoder=stock["text_encoder"],
        text_encoder_2=_projected(8),
        tokenizer=stock["tokenizer"],
        tokenizer_2=parts()["tokenizer"],
        scheduler=kind(beta_schedule="scaled_linear", timestep_spacing="trailing" if turbo else "leading"),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, variant=variant)
    return folder


def write_pixart(folder: Path) -> Path:
    """PixArt-alpha: a transformer, and T5 in shards."""
    torch.manual_seed(0)
    pipeline = PixArtAlphaPipeline(
        transformer=PixArtTransformer2DModel(
            sample_size=8,
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=16,
            in_channels=4,
            out_channels=8,
        ),
        vae=parts()["vae"],
        text_encoder=_t5(),
        tokenizer=_t5_tokenizer(120),
        scheduler=DPMSolverMultistepScheduler(),
    )
    pipeline.save_pretrained(folder, max_shard_size="10KB")
    return folder


def write_sd3(folder: Path) -> Path:
    """Stable Diffusion 3.5: three text encoders, 16 latent channels, rectified flow."""
    torch.manual_seed(0)
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_projection_dim=16,
            joint_attention_dim=16,
            pooled_projection_dim=16,
            pos_embed_max_size=48,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        ),
        vae=_wide_vae(),
        text_encoder=_projected(8),
        text_encoder_2=_projected(8),
        text_encoder_3=_t5(),
        tokenizer=parts()["tokenizer"],
        tokenizer_2=parts()["tokenizer"],
        tokenizer_3=_t5_tokenizer(256),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipeline.save_pretrained(folder)
    return folder


def write_flux(folder: Path) -> Path:
    """FLUX.1-schnell: no guidance embedding."""
    torch.manual_seed(0)
    pipeline = FluxPipeline(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            pooled_projection_dim=8,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=False,
        ),
        vae=_wide_vae(),
        text_encoder=parts()["text_encoder"],
        text_encoder_2=_t5(),
        tokenizer=parts()["tokenizer"],
        tokenizer_2=_t5_tokenizer(256),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
    )
    pipeline.to(torch.bfloat16).save_pretrained(folder)
    return folder


def _projected(width: int) -> CLIPTextModelWithProjection:
    tokenizer = parts()["tokenizer"]
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            vocab_size=len(tokenizer),
            projection_dim=8,
            bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1,
            pad_token_id=len(tokenizer) - 1,
        )
    )


def _t5() -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=200, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def _t5_tokenizer(length: int) -> T5TokenizerFast:
    """A vocabulary of letters, as Unigram has them."""
    letters = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")] + [("▁", -2.0)]
    letters += [(chr(code), -3.0) for code in range(33, 127)]
    tokenizer = Tokenizer(Unigram(letters, unk_id=2))
    tokenizer.pre_tokenizer = Metaspace()
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0, model_max_length=length, **special)


def _wide_vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=16,
        sample_size=64,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
    )
