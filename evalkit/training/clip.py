"""emoji-clip: a small CLIP. Its text tower feeds the denoisers, the whole of it names what a picture shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.training import tokenizer
from evalkit.training.autoencoder import to_tensor
from evalkit.training.loop import Phase, generator, train
from evalkit.training.scenes import Batch, Graphics, training_batch
from evalkit.training.vocabulary import Scene

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPModel, CLIPTokenizer

PHASE = Phase("clip", steps=600, batch=64, rate=1e-3, warmup=100, weight_decay=0.05, seed=23)
WIDTH = 128


def build(words: "CLIPTokenizer") -> "CLIPModel":
    """Text tower 3 layers x 128, vision tower 4 layers x 128 on patches of 8 pixels, weights from a fixed seed."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4, "projection_dim": WIDTH}
    text = {
        "vocab_size": len(words), "max_position_embeddings": tokenizer.LONGEST, "num_hidden_layers": 3,
        "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id,
    }  # fmt: skip
    vision = {"image_size": 64, "patch_size": 8, "num_hidden_layers": 4}
    with torch.random.fork_rng():
        torch.manual_seed(PHASE.seed)
        return CLIPModel(CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=WIDTH))


def train_clip(graphics: Graphics, folder: Path, phase: Phase = PHASE) -> "CLIPModel":
    """Contrastive training (Radford et al. 2021); captions of the same scene in a batch all count as right."""
    words = tokenizer.build()
    network = build(words)

    def loss_of(step: int) -> "Tensor":
        batch = training_batch(graphics, phase.batch, phase.seed, step)
        return contrastive_loss(network, words, batch, phase.seed, step)

    train(network, phase, loss_of, folder)
    return network.eval()


def contrastive_loss(network: "CLIPModel", words: "CLIPTokenizer", batch: Batch, seed: int, step: int) -> "Tensor":
    """Symmetric cross-entropy over the batch, with soft targets shared among equal scenes."""
    from torch.nn.functional import cross_entropy

    pixels = roughened(to_tensor(batch.pixels), seed, step)
    tokens = words(list(batch.captions), padding=True, return_tensors="pt")
    logits = network(pixel_values=pixels, **tokens).logits_per_image
    same = same_scene(batch.scenes)
    return (cross_entropy(logits, same) + cross_entropy(logits.T, same)) / 2


def roughened(pixels: "Tensor", seed: int, step: int) -> "Tensor":
    """Half of the pictures a little blurred, all with some noise: an autoencoder's pictures are not sharp either."""
    import torch
    from torch.nn.functional import avg_pool2d

    draw = generator(seed, step)
    blurred = avg_pool2d(pixels, 3, stride=1, padding=1, count_include_pad=False)
    share = torch.rand(len(pixels), 1, 1, 1, generator=draw) * (torch.rand(len(pixels), 1, 1, 1, generator=draw) < 0.5)
    noise = 0.04 * torch.randn(pixels.shape, generator=draw)
    return pixels + share * (blurred - pixels) + noise


def same_scene(scenes: Sequence[Scene]) -> "Tensor":
    """(n, n): each row spreads probability 1 over the pictures of the same scene."""
    import torch

    equal = torch.tensor([[float(one == other) for other in scenes] for one in scenes])
    return equal / equal.sum(dim=1, keepdim=True)
