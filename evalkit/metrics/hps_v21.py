"""HPSv2.1: which of two images of one prompt people would prefer, as a CLIP tuned on their choices sees it."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.extractors import clip
from evalkit.metrics._clip import embed
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import find_base, find_network, joint_label

CARD, WEIGHTS = "hps-v2-1", "HPS_v2.1_compressed.pt"
info = MetricInfo(
    level="image",
    extractor="clip",
    direction="higher",
    unit="cosine",
    range=(-1, 1),
    citation="Wu, Hao, Sun, Chen, Zhu, Zhao, Li 2023, Human Preference Score v2, arXiv 2306.09341",
    version=1,
    reads="Higher would be preferred more often; its public code multiplies nothing, papers often print it times 100.",
    network=CARD,
)


def identity(workplace: Workplace) -> str:
    """Weights and preprocessing."""
    network = find_network(CARD, workplace)
    base = find_base(network, workplace)
    return clip.Checkpoint(base.source, base.revision, joint_label(network, base), padded=True).identity


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """cos(image, prompt) of each picture: its whole, its longer side at 224 px, in the middle of black."""
    network = find_network(CARD, workplace)
    base = find_base(network, workplace)
    label, weights = joint_label(network, base), network.file(WEIGHTS)
    found = embed(pictures, clip.Checkpoint(base.source, base.revision, label, weights, padded=True), workplace)
    return ImageScores(found.cosines, found.reasons)
