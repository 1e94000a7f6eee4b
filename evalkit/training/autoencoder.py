"""The autoencoder of the embedded pair: 64x64 pictures to 8x8 latents of 8 channels, and back."""

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.training.loop import Phase, generator, train
from evalkit.training.scenes import Graphics, training_batch

if TYPE_CHECKING:
    import numpy as np
    from diffusers import AutoencoderKL
    from numpy.typing import NDArray
    from torch import Tensor

PHASE = Phase("autoencoder", steps=2_400, batch=24, rate=2e-3, seed=11)
KL_WEIGHT = 1e-3
EDGE_WEIGHT = 1.0


def build() -> "AutoencoderKL":
    """Downsampling 8, 8 latent channels, 0.99 million parameters, weights drawn from a fixed seed."""
    import torch
    from diffusers import AutoencoderKL

    with torch.random.fork_rng():
        torch.manual_seed(PHASE.seed)
        return AutoencoderKL(
            block_out_channels=(16, 32, 64, 64),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=8,
            norm_num_groups=8,
            sample_size=64,
        )


def train_autoencoder(graphics: Graphics, folder: Path, phase: Phase = PHASE) -> "AutoencoderKL":
    """Train on the stream of scenes: absolute + squared + edge error of the picture, and a small KL term."""
    network = build()

    def loss_of(step: int) -> "Tensor":
        batch = training_batch(graphics, phase.batch, phase.seed, step)
        return reconstruction_loss(network, to_tensor(batch.pixels), phase.seed, step)

    train(network, phase, loss_of, folder)
    return network.eval()


def reconstruction_loss(network: "AutoencoderKL", pixels: "Tensor", seed: int, step: int) -> "Tensor":
    """pixels: (n, 3, 64, 64) in -1..1."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        latents = network.encode(pixels).latent_dist
        drawn = network.decode(latents.sample(generator(seed, step))).sample.float()
    error = drawn - pixels
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    divergence = latents.kl().mean() / latents.mean[0].numel()
    return error.abs().mean() + error.square().mean() + EDGE_WEIGHT * edges + KL_WEIGHT * divergence


def round_trip(network: "AutoencoderKL", pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Pictures (n, 64, 64, 3) encoded and decoded again."""
    import torch

    with torch.no_grad():
        parts = [network.decode(network.encode(part).latent_dist.mean).sample for part in to_tensor(pixels).split(48)]
    levels: NDArray[np.uint8] = ((torch.cat(parts).clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).numpy()
    return levels


def to_tensor(pixels: "NDArray[np.uint8]") -> "Tensor":
    """(n, 64, 64, 3) uint8 to (n, 3, 64, 64) float32 in -1..1."""
    import torch

    return torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
