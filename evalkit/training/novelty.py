"""Is it memory? How far each picture is from the nearest of the renders that the denoisers were trained on.

Distances are root mean squared differences of pixels (0-255). There is nothing in this world but 48 graphics in varied
places, so every good picture is near some render: what tells is the distance of fresh renders of the same scenes,
which nobody can have copied, and whether combinations never trained on lie farther away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.training import autoencoder, material, scenes, vocabulary
from evalkit.training.pictures import Pixels
from evalkit.training.scenes import Graphics
from evalkit.training.vocabulary import Scene

FRESH_SEED = 90_210
NEAR = 0.05
PARTS = {"trained combinations": False, "held-out combinations": True}


@dataclass(frozen=True)
class Nearest:
    """For each picture its nearest training render: number in the training set, and distance."""

    places: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True)
class Novelty:
    """Distances of some pictures to the nearest training render.

    nearer: share of pictures nearer than the nearest 5 % of fresh renders of the same part; 5 % if nothing is copied.
    """

    pictures: str
    part: str
    training: int
    median: Estimate
    lower: float
    upper: float
    nearer: Estimate


def training_renders(graphics: Graphics, n: int) -> Pixels:
    """The first n (a multiple of 100) of the very renders that `material.encode` made latents of."""
    batches = [
        scenes.training_batch(graphics, material.CHUNK, material.SEED, step) for step in range(n // material.CHUNK)
    ]
    return np.concatenate([batch.pixels for batch in batches])


def nearest(pixels: Pixels, training: Pixels) -> Nearest:
    """The nearest training render of each picture, by squared distance of all pixels."""
    asked = pixels.reshape(len(pixels), -1).astype(np.float32)
    best, places = np.full(len(asked), np.inf), np.zeros(len(asked), dtype=np.int64)
    for start in range(0, len(training), 2_000):
        flat = training[start : start + 2_000].reshape(-1, asked.shape[1]).astype(np.float32)
        squared = (asked**2).sum(1)[:, None] + (flat**2).sum(1)[None] - 2 * asked @ flat.T
        closest = squared.argmin(axis=1)
        found = squared[np.arange(len(asked)), closest]
        places, best = np.where(found < best, start + closest, places), np.minimum(found, best)
    exact = pixels.astype(np.float64) - training[places]  # the search rounds, this does not
    return Nearest(places, np.sqrt(np.square(exact).mean(axis=(1, 2, 3))))


def novelty(
    graphics: Graphics, pictures: Mapping[str, Pixels], asked: Sequence[Scene], through: Any, n: int
) -> tuple[Novelty, ...]:
    """Each named set (a picture for each scene asked), and fresh renders of these scenes, bare and through the VAE."""
    training = training_renders(graphics, n)
    fresh = scenes.scene_batch(graphics, asked, FRESH_SEED).pixels
    sets = {**pictures, "fresh renders": fresh, "fresh renders, autoencoder": autoencoder.round_trip(through, fresh)}
    distances = {name: nearest(pixels, training).distances for name, pixels in sets.items()}
    held_out = np.array([vocabulary.held_out(scene) for scene in asked])
    return tuple(
        _novelty(name, part, n, distances[name][held_out == held], distances["fresh renders"][held_out == held])
        for name in sets
        for part, held in PARTS.items()
        if (held_out == held).any()
    )


def _novelty(
    name: str, part: str, training: int, distances: NDArray[np.float64], fresh: NDArray[np.float64]
) -> Novelty:
    lower, upper = (float(value) for value in np.quantile(distances, (0.25, 0.75)))
    nearer = wilson(int((distances < np.quantile(fresh, NEAR)).sum()), len(distances))
    return Novelty(name, part, training, median_interval(distances), lower, upper, nearer)


def median_interval(values: NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """The median, with the order statistics that hold it with at least the confidence, whatever the distribution."""
    from scipy.stats import binom

    ordered, n = np.sort(values), len(values)
    below = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    low, high = (float(ordered[below - 1]), float(ordered[n - below])) if below else (None, None)
    note = None if below else f"{n} pictures: too few for an interval"
    return Estimate(float(np.median(ordered)), low, high, n, "median, order statistics", note=note)
