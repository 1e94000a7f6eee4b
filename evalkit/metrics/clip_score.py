"""CLIPScore: how well an image fits its prompt, as the cosine of their CLIP embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from evalkit.extractors import Rows, clip
from evalkit.extractors._cache import cached_features
from evalkit.metrics._metric import Floats, ImageScores, MetricInfo, Picture, Workplace

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
    settings, model = workplace.settings, workplace.model
    identity = clip.identity(settings, model)
    texts = {_sha(picture.prompt): picture.prompt for picture in pictures}
    cache = (workplace.features, workplace.progress)
    of_text = cached_features(texts, f"text of {identity}", lambda: clip.load_text(settings, model), *cache)
    paths = {picture.sha256: picture.path for picture in pictures}
    of_image = cached_features(paths, identity, lambda: clip.load(settings, model), *cache)
    cosines = cosine(
        np.stack([of_image[picture.sha256] for picture in pictures]),
        np.stack([of_text[_sha(picture.prompt)] for picture in pictures]),
    )
    excess = dict(zip(texts.values(), clip.excess_tokens(list(texts.values()), settings, model), strict=True))
    reasons = [_reason(excess[picture.prompt]) for picture in pictures]
    return ImageScores(100 * np.maximum(cosines, 0), reasons)


def cosine(x: Rows, y: Rows) -> Floats:
    """Cosine of each row of `x` with the same row of `y`, in float64."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return np.asarray((a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)))


def _reason(excess: int) -> str:
    return f"prompt cut: CLIP did not see its last {excess} tokens" if excess else ""


def _sha(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
