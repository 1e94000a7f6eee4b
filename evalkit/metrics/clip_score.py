"""CLIPScore: how well an image fits its prompt, as the cosine of their CLIP embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.extractors import clip
from evalkit.metrics._clip import embed
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace

info = MetricInfo(
    level="image",
    extractor="clip",
    direction="higher",
    unit="100 x cosine",
    range=(0, 100),
    citation="Hessel, Holtzman, Forbes, Le Bras, Choi 2021, CLIPScore, arXiv 2104.08718",
    version=1,
    reads="Higher fits the prompt better; compare systems on the same prompts and the same CLIP only.",
)


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """100 max(cos(image, prompt), 0) of each picture; the reason names prompts that CLIP saw only the start of."""
    found = embed(pictures, clip.find_checkpoint(workplace.settings, workplace.model), workplace)
    return ImageScores(100 * np.maximum(found.cosines, 0), found.reasons)
