"""The two denoisers, trained the way DeciDiffusion's card tells: four phases, v-prediction, zero terminal SNR."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.training.loop import Phase, generator, train
from evalkit.training.material import Material

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, PNDMScheduler
    from torch import Generator, Tensor

LATENT_CHANNELS = 8
LATENT_SIDE = 8
TEXT_WIDTH = 128
EMPTY_CAPTIONS = 0.1
SNR_CEILING = 5.0


@dataclass(frozen=True)
class Stage:
    """A phase of a denoiser's training. best: the share of pictures used, those that the autoencoder draws best."""

    phase: Phase
    best: float = 1.0


def stages(seed: int, steps: int) -> tuple[Stage, ...]:
    """The card's four phases in small. Only the third and fourth average weights; the fourth takes the best half."""
    plan = Phase("phase-1", int(0.5 * steps), batch=64, rate=1e-3, schedule="constant", warmup=200, seed=seed)
    return (
        Stage(plan),
        Stage(replace(plan, name="phase-2", steps=int(0.2 * steps), rate=6e-4, warmup=0, seed=seed + 1)),
        Stage(replace(
            plan, name="phase-3", steps=int(0.25 * steps), rate=5e-4, warmup=0, schedule="cosine", ema=0.998,
            seed=seed + 2,
        )),
        Stage(replace(
            plan, name="phase-4", steps=int(0.05 * steps), rate=5e-5, warmup=0, schedule="linear", ema=0.99,
            seed=seed + 3,
        ), best=0.5),
    )  # fmt: skip


def build_sd(seed: int) -> Any:
    """emoji-sd: diffusers' own UNet2DConditionModel, two levels, text attention at the lower one."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DConditionModel(
            sample_size=LATENT_SIDE,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=(96, 120),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=TEXT_WIDTH,
            norm_num_groups=8,
            attention_head_dim=4,
        )


def build_nas(seed: int) -> Any:
    """emoji-nas: DeciDiffusion's family of network (fewer residuals, attentions of uneven number, a halved middle)."""
    import torch

    from evalkit.models.unet_nas import UNetNAS

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNetNAS(
            configurations=NAS, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, norm_num_groups=16
        )


NAS: dict[str, Any] = {
    "sample_size": LATENT_SIDE,
    "temb_dim": 320,
    "resnet_eps": 1e-5,
    "resnet_act_fn": "silu",
    "num_attention_heads": 4,
    "cross_attention_dim": TEXT_WIDTH,
    "mix_block_in_forward": True,
    "down_blocks_in_channels": [80, 80],
    "down_blocks_out_channels": [80, 96],
    "down_blocks_num_resnets": [1, 1],
    "down_blocks_num_attentions": [0, 1],
    "add_downsample": [True, True],
    "add_upsample_mid_block": True,
    "mid_num_resnets": 0,
    "mid_num_attentions": 1,
    "prev_output_channels": [96, 96],
    "up_blocks_num_resnets": [2, 2],
    "up_blocks_num_attentions": [2, 0],
    "add_upsample": [True, False],
}


def train_denoiser(network: Any, material: Material, plan: tuple[Stage, ...], folder: Path) -> Any:
    """Run the phases one after the other; each begins with the weights that the last one ended in."""
    for stage in plan:
        batches = Batches(material, stage)
        train(network, stage.phase, lambda step, source=batches: source.loss(network, step), folder)  # type: ignore[misc]
    return network.eval()


class Batches:
    """The training stream of one phase: which pictures, captions, noise and times belong to a step."""

    def __init__(self, material: Material, stage: Stage) -> None:
        order = np.argsort(material.errors.numpy(), kind="stable")
        self.pool = order[: max(1, int(len(order) * stage.best))]
        self.material, self.phase = material, stage.phase
        self.alphas = scheduler().alphas_cumprod

    def loss(self, network: Any, step: int) -> "Tensor":
        """Weighted squared error of the velocity (Salimans & Ho 2022), averaged over the batch."""
        import torch

        clean, states = self._draw(step)
        draw = generator(self.phase.seed, step)
        times = stratified_times(len(clean), len(self.alphas), draw)
        noise = torch.randn(clean.shape, generator=draw)
        alpha = self.alphas[times].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(noisy, times, encoder_hidden_states=states).sample.float()
        return (min_snr_weight(self.alphas[times]) * (answer - velocity).square().mean(dim=(1, 2, 3))).mean()

    def _draw(self, step: int) -> tuple["Tensor", "Tensor"]:
        """Latents (n, 8, 8, 8) of unit variance and text states (n, 77, 128); one caption in ten is empty."""
        import torch

        choose = np.random.default_rng((self.phase.seed, step))
        chosen = choose.choice(self.pool, self.phase.batch)
        empty = choose.random(self.phase.batch) < EMPTY_CAPTIONS
        rows = [self.material.caption_row(int(index), choose) for index in chosen]
        rows = [self.material.rows[""] if drop else row for row, drop in zip(rows, empty, strict=True)]
        latents = self.material.latents[torch.from_numpy(chosen)].float() * self.material.scaling_factor
        return latents, self.material.states[rows].float()


def stratified_times(n: int, steps: int, draw: "Generator") -> "Tensor":
    """n times spread evenly over 0..steps-1 with one common random offset, so that the loss varies less."""
    import torch

    places = (torch.rand(1, generator=draw) + torch.arange(n) / n) % 1
    return (places * steps).long().clamp(max=steps - 1)


def min_snr_weight(alpha: "Tensor") -> "Tensor":
    """Min-SNR weighting (Hang et al. 2023) of a velocity loss, ceiling 5; 1 below it, so that the zero-SNR end learns.

    With SNR = alpha / (1 - alpha), the velocity loss is the picture loss times SNR + 1; this caps that factor at 6.
    """
    return ((1 + SNR_CEILING) * (1 - alpha)).clamp(max=1.0)


def scheduler() -> "DDIMScheduler":
    """DDIM as DeciDiffusion's scheduler_config.json sets it: cosine betas rescaled to zero terminal SNR, trailing."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        set_alpha_to_one=False,
        steps_offset=1,
        clip_sample=False,
    )


def baseline_scheduler() -> "PNDMScheduler":
    """The baseline's sampler as Stable Diffusion 1.5 sets it: PNDM without Runge-Kutta steps, leading, offset 1.

    It begins at step 981 of 1,000 (50 steps), so needs no zero terminal SNR; its alphas are those of training to 3e-5.
    """
    from diffusers import PNDMScheduler

    return PNDMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="leading",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )
