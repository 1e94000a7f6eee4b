"""How a picture becomes the input of Inception: the default, and the ways of four public packages, to repeat numbers.

`clean`: Pillow's bicubic with antialias on float32, cut to 0-255 (clean-fid: Parmar, Zhang, Zhu 2022, arXiv
2104.11222). The others are bilinear: pytorch-fid without antialias, torch-fidelity as TensorFlow 1, torchmetrics with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from evalkit.extractors import Rows
from evalkit.extractors._pictures import resize_float
from evalkit.registry import unknown

SIDE = 299
DEFAULT = "clean"


def clean(image: Image.Image) -> Rows:
    """(3, 299, 299): bicubic with antialias, cut to 0-255."""
    return _scaled(np.clip(resize_float(image, SIDE), 0, 255))


def pytorch_fid(image: Image.Image) -> Rows:
    """(3, 299, 299): bilinear of pytorch-fid, on numbers from 0 to 1, then from -1 to 1."""
    return np.asarray(2 * _bilinear(_pixels(image).div(255), antialias=False) - 1, dtype=np.float32)


def torch_fidelity(image: Image.Image) -> Rows:
    """(3, 299, 299): bilinear of TensorFlow 1, whose grid begins at the corner."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    found = interpolate_bilinear_2d_like_tensorflow1x(_pixels(image), size=(SIDE, SIDE), align_corners=False)
    return _scaled(found[0].numpy())


def torchmetrics(image: Image.Image) -> Rows:
    """(3, 299, 299): bilinear with antialias."""
    return _scaled(_bilinear(_pixels(image), antialias=True))


WAYS: dict[str, tuple[str, Callable[[Image.Image], Rows]]] = {
    DEFAULT: (f"pil-bicubic-f32-clip-{SIDE}", clean),
    "pytorch-fid": (f"torch-bilinear-{SIDE}", pytorch_fid),
    "torch-fidelity": (f"tf1-bilinear-{SIDE}", torch_fidelity),
    "torchmetrics": (f"torch-bilinear-antialias-{SIDE}", torchmetrics),
}
"""Name -> (what signatures say, the function)."""


def way(name: str | None) -> tuple[str, Callable[[Image.Image], Rows]]:
    """The way of this name; None takes the default.

    Raises:
        SpecError: there is no such way.
    """
    if name is not None and name not in WAYS:
        raise unknown("resizing", name, WAYS)
    return WAYS[name or DEFAULT]


def _pixels(image: Image.Image) -> Any:
    import torch

    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1)[None].astype(np.float32))


def _bilinear(pixels: Any, *, antialias: bool) -> Rows:
    from torch.nn.functional import interpolate

    found = interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=antialias)
    return np.asarray(found[0].numpy())


def _scaled(grey: Rows) -> Rows:
    return np.asarray((grey - 128) / 128, dtype=np.float32)
