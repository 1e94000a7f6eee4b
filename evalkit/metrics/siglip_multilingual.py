"""SigLIP score, multilingual: how well an image fits its prompt in the prompt's own language."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.extractors import _siglip
from evalkit.extractors.clip import Checkpoint
from evalkit.metrics._clip import embed
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import find_network

CARD = "siglip-base-multilingual"
info = MetricInfo(
    level="image",
    extractor="",
    direction="higher",
    unit="100 x cosine",
    range=(-100, 100),
    citation="Zhai, Mustafa, Kolesnikov, Beyer 2023, Sigmoid loss for language image pre-training, arXiv 2303.15343",
    version=1,
    reads="Higher fits the prompt better. It reads some languages better than others: a cross-check of a language gap, "
    "no measure of it.",
    network=CARD,
    multilingual=True,
)


def identity(workplace: Workplace) -> str:
    """Weights and preprocessing."""
    return _checkpoint(workplace).identity


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """100 cos(image, prompt) of each picture; the reason names prompts of which it saw only the start (64 tokens)."""
    found = embed(pictures, _checkpoint(workplace), workplace, _siglip)
    return ImageScores(100 * found.cosines, found.reasons)


def _checkpoint(workplace: Workplace) -> Checkpoint:
    network = find_network(CARD, workplace)
    return Checkpoint(network.source, network.revision, network.label)
