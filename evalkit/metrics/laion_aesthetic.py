"""LAION aesthetic predictor v2: how people rated pictures that look like this one, on CLIP ViT-L/14 embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalkit.errors import ModelError
from evalkit.extractors import clip
from evalkit.extractors._cache import cached_features
from evalkit.extractors._tensors import read_tensors
from evalkit.metrics._clip import parts, unit
from evalkit.metrics._metric import Floats, ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import find_base, find_network, joint_label

CARD, WEIGHTS, LAYERS = "laion-aesthetic-v2", "aesthetic-model.pth", (0, 2, 4, 6, 7)
info = MetricInfo(
    level="image",
    extractor="clip",
    direction="higher",
    unit="rating, 1 to 10",
    range=(None, None),
    citation="Schuhmann et al. 2022, LAION-5B, arXiv 2210.08402; sac+logos+ava1-l14-linearMSE",
    version=1,
    reads="Higher was rated more beautiful, whatever the prompt; it favours paintings and landscapes.",
    network=CARD,
)


def identity(workplace: Workplace) -> str:
    """Weights of the head, and of the CLIP below it."""
    network = find_network(CARD, workplace)
    base = find_base(network, workplace)
    return clip.Checkpoint(base.source, base.revision, joint_label(network, base)).identity


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """Five linear layers, one after the other without anything between, on the unit embedding of each picture."""
    network = find_network(CARD, workplace)
    base = find_base(network, workplace)
    checkpoint = clip.Checkpoint(base.source, base.revision, base.label)
    paths = {picture.sha256: picture.path for picture in pictures}
    rows = cached_features(
        paths,
        checkpoint.identity,
        lambda: clip.load_pictures(checkpoint, workplace.settings),
        *workplace.cache,
    )
    own, weights = rows.of([picture.sha256 for picture in pictures]), network.file(WEIGHTS)
    values = np.concatenate([linear_layers(unit(own[part]), weights)[:, 0] for part in parts(len(own))])
    return ImageScores(values, [""] * len(pictures))


def linear_layers(rows: Floats, weights: Path) -> Floats:
    """The head on rows (n, dimensions), in float64: (n, 1).

    Raises:
        ModelError: the file lacks a layer.
    """
    tensors = read_tensors(weights)
    for layer in LAYERS:
        if f"layers.{layer}.weight" not in tensors:
            raise ModelError(f"the head lacks its layer {layer}", where=str(weights), hint="fetch it again")
        weight, bias = (tensors[f"layers.{layer}.{part}"].double().numpy() for part in ("weight", "bias"))
        rows = rows @ weight.T + bias
    return rows
