"""What the denoisers learn from, computed once: latents of rendered scenes, and text states of every caption."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalkit.training import vocabulary
from evalkit.training.autoencoder import to_tensor
from evalkit.training.scenes import Graphics, training_batch, varied_caption
from evalkit.training.vocabulary import COLOUR_NAMES, COLOUR_SYNONYMS, KINDS, Scene

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from torch import Tensor
    from transformers import CLIPModel, CLIPTokenizer

SEED = 37
CHUNK = 100


@dataclass(frozen=True)
class Material:
    """latents: (n, 8, 8, 8) float16, as encoded, not yet scaled; errors: (n,) mean absolute error of the autoencoder;
    scenes: what each shows; states: (captions, 77, 128) float16, the last row is the empty caption."""

    latents: "Tensor"
    errors: "Tensor"
    scenes: tuple[Scene, ...]
    states: "Tensor"
    rows: dict[str, int]

    @property
    def scaling_factor(self) -> float:
        """1 / standard deviation of the latents, so that the denoiser sees unit variance."""
        return 1 / float(self.latents.float().std())

    def caption_row(self, index: int, generator: np.random.Generator) -> int:
        """The row of a varied caption of picture `index`."""
        return self.rows[varied_caption(self.scenes[index], generator)]


def prepare(
    graphics: Graphics, autoencoder: "AutoencoderKL", clip: "CLIPModel", words: "CLIPTokenizer", folder: Path, n: int
) -> Material:
    """Encode n training pictures and all captions; read from `folder` when that was done before."""
    import torch

    path = folder / f"latents-{n}.pt"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(encode(graphics, autoencoder, n), path)
    kept = torch.load(path, weights_only=True)
    captions = [*all_captions(), ""]
    rows = {caption: row for row, caption in enumerate(captions)}
    return Material(kept["latents"], kept["errors"], scenes_of(kept), text_states(clip, words, captions), rows)


def scenes_of(kept: dict[str, "Tensor"]) -> tuple[Scene, ...]:
    """What each encoded picture shows."""
    return tuple(Scene(kind, colour) for kind, colour in kept["scenes"].tolist())


def all_captions() -> Iterator[str]:
    """Every caption that the training stream can bring, once."""
    for kind in KINDS:
        for name in (kind.name, *kind.synonyms):
            for colour in (name for plain in COLOUR_NAMES for name in (plain, *COLOUR_SYNONYMS.get(plain, ()))):
                yield from (vocabulary.caption(template, name, colour) for template in vocabulary.TEMPLATES)


def text_states(clip: "CLIPModel", words: "CLIPTokenizer", captions: list[str]) -> "Tensor":
    """Last hidden states of the text tower, padded to 77 tokens as the pipelines do: (n, 77, 128) float16."""
    import torch

    chunks = [captions[start : start + CHUNK] for start in range(0, len(captions), CHUNK)]
    with torch.no_grad():
        return torch.cat([_states(clip, words, chunk) for chunk in chunks]).half()


def _states(clip: "CLIPModel", words: "CLIPTokenizer", captions: list[str]) -> "Tensor":
    tokens = words(captions, padding="max_length", truncation=True, return_tensors="pt")
    states: Tensor = clip.text_model(input_ids=tokens.input_ids).last_hidden_state
    return states


def encode(graphics: Graphics, autoencoder: "AutoencoderKL", n: int) -> dict[str, "Tensor"]:
    """n pictures (a multiple of 100) of the training stream: latents, errors of the autoencoder, (kind, colour)."""
    import torch

    latents, errors, scenes = [], [], list[tuple[int, int]]()
    with torch.no_grad():
        for step in range(n // CHUNK):
            batch = training_batch(graphics, CHUNK, SEED, step)
            pixels = to_tensor(batch.pixels)
            mean = autoencoder.encode(pixels).latent_dist.mean
            errors.append((autoencoder.decode(mean).sample - pixels).abs().mean(dim=(1, 2, 3)))
            latents.append(mean.half())
            scenes += [(scene.kind, scene.colour) for scene in batch.scenes]
    return {"latents": torch.cat(latents), "errors": torch.cat(errors), "scenes": torch.tensor(scenes)}
