"""Who says what a picture shows: emoji-clip itself, and a judge that was not trained beside the pair."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from evalkit.training import vocabulary
from evalkit.training.autoencoder import to_tensor
from evalkit.training.scenes import Graphics, training_batch
from evalkit.training.vocabulary import COLOURS, KINDS

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

BORDER = 4
LESSONS, LESSON_SEED = 960, 9_001


@dataclass(frozen=True)
class Named:
    """What a judge saw in n pictures, as indices into KINDS and COLOURS."""

    kinds: NDArray[np.int64]
    colours: NDArray[np.int64]


def by_clip(clip: "CLIPModel", words: "CLIPTokenizer", pixels: NDArray[np.uint8]) -> Named:
    """emoji-clip's choice among the 480 canonical captions. pixels: (n, 64, 64, 3)."""
    import torch

    scenes = vocabulary.scenes("all")
    tokens = words([vocabulary.canonical(scene) for scene in scenes], padding=True, return_tensors="pt")
    with torch.no_grad():
        best = clip(pixel_values=to_tensor(pixels), **tokens).logits_per_image.argmax(dim=1).tolist()
    chosen = [scenes[index] for index in best]
    return Named(np.array([scene.kind for scene in chosen]), np.array([scene.colour for scene in chosen]))


@dataclass(frozen=True)
class OutsideJudge:
    """Objects: a linear classifier on EfficientNet-lite0 features (ImageNet weights). Colours: the border's nearest."""

    features: Any
    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def name(self, pixels: NDArray[np.uint8]) -> Named:
        inputs = (self.features(pixels) - self.mean) / self.deviation
        return Named((inputs @ self.weights).argmax(axis=1), border_colours(pixels))


def outside_judge(graphics: Graphics, features: Any) -> OutsideJudge:
    """Fit the judge on fresh renders, half of them blurred. features: (n, 64, 64, 3) uint8 -> (n, 1280).

    Pictures from an autoencoder are soft; a judge that only knew sharp ones would measure the softness.
    Ridge regression onto one-hot classes (regularised least squares), closed form, so there is no training noise.
    """
    batch = training_batch(graphics, LESSONS, LESSON_SEED, 0)
    inputs = np.asarray(features(half_blurred(batch.pixels)), dtype=np.float64)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    inputs = (inputs - mean) / deviation
    targets = np.eye(len(KINDS))[[scene.kind for scene in batch.scenes]] - 1 / len(KINDS)
    gram = inputs.T @ inputs + 0.1 * len(inputs) * np.eye(inputs.shape[1])
    return OutsideJudge(features, np.linalg.solve(gram, inputs.T @ targets), mean, deviation)


def half_blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every second picture under a Gaussian of 1, 1.5 or 2 pixels in turn."""
    pictures = [Image.fromarray(picture) for picture in pixels]
    for place, picture in enumerate(pictures[1::2]):
        pictures[2 * place + 1] = picture.filter(ImageFilter.GaussianBlur(1 + 0.5 * (place % 3)))
    return np.stack([np.asarray(picture) for picture in pictures])


def border_colours(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The palette colour nearest to the median of the outermost 4 pixels, squared distance in RGB."""
    inside = np.zeros(pixels.shape[1:3], dtype=bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    seen = np.median(pixels[:, ~inside].astype(np.float64), axis=1)
    palette = np.array(list(COLOURS.values()), dtype=np.float64)
    nearest: NDArray[np.int64] = ((seen[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1)
    return nearest
