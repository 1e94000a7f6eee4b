"""The network of torch-fidelity as one chain of layers, its batch normalisation folded into the convolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit.errors import MissingExtraError

LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


def build(weights: Path, *, classes: bool = False) -> Any:
    """A torch module: pixels (n, 3, 299, 299) from -1 to 1 -> features (n, 2048), or 1008 class values without bias."""
    from torch import nn

    published = _published(weights)
    chain = [getattr(published, name) for name in LAYERS] + [nn.Flatten(1)]
    if classes:
        chain.append(published.fc)
        published.fc.bias = None  # the "logits_unbiased" of the Inception Score's reference code
    network = nn.Sequential(*chain).eval().requires_grad_(False)
    for part in network.modules():
        if hasattr(part, "conv") and hasattr(part, "bn"):
            _fold(part)
    return network


def _published(weights: Path) -> Any:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise MissingExtraError("torch-fidelity", "models") from None
    return FeatureExtractorInceptionV3("inception", ["2048"], str(weights))


def _fold(part: Any) -> None:
    """conv, then bn, as one convolution: exact, and a third of the memory traffic is gone."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    part.conv, part.bn = fuse_conv_bn_eval(part.conv, part.bn), nn.Identity()
