"""InceptionV3 of 2015-12-05, its 1008 class values without bias: what the Inception Score is made of.

Salimans et al. 2016, arXiv 1606.03498, on the network of the FID paper, as torch-fidelity computes it.
"""

from __future__ import annotations

from evalkit.extractors import EmbedPictures, inception
from evalkit.extractors._inception_inputs import SIDE, way
from evalkit.extractors._inception_network import build
from evalkit.extractors._network import embedding
from evalkit.settings import Settings

DIMENSIONS = 1008


def identity(settings: Settings, model: str | None = None) -> str:
    """Network, weights and preprocessing, as signatures carry them."""
    network, resizing = inception.identity(settings, model).split("|")
    return f"{network}-classes|{resizing}"


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, 1008)."""
    return embedding(build(inception.weights_file(settings), classes=True), way(model)[1], SIDE, settings)
