"""PickScore: which of two images of one prompt people would pick, as a CLIP tuned on their choices sees it."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.extractors import clip
from evalkit.metrics._clip import embed
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import find_base, find_network, joint_label

CARD = "pickscore-v1"
info = MetricInfo(
    level="image",
    extractor="clip",
    direction="higher",
    unit="logit",
    range=(None, None),
    citation="Kirstain, Polyak, Singer, Matiana, Penna, Levy 2023, Pick-a-Pic, arXiv 2305.01569",
    version=1,
    reads="Higher would be picked more often: a difference of 1 between two images is odds of 2.7 to 1.",
    network=CARD,
)


def identity(workplace: Workplace) -> str:
    """Weights and preprocessing."""
    return _checkpoint(workplace).identity


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """exp(logit scale) cos(image, prompt) of each picture."""
    checkpoint = _checkpoint(workplace)
    found = embed(pictures, checkpoint, workplace)
    return ImageScores(clip.logit_scale(checkpoint) * found.cosines, found.reasons)


def _checkpoint(workplace: Workplace) -> clip.Checkpoint:
    network = find_network(CARD, workplace)
    base = find_base(network, workplace)
    words = clip.Checkpoint(base.source, base.revision, base.label)
    return clip.Checkpoint(network.source, network.revision, joint_label(network, base), base=words)
