"""What HEIM sees in an image: a mean over skin-coloured pixels, compared with Monk's tones in RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.checks._skin import MONK, rgb_of

TONES = np.array([rgb_of(code) for code in MONK], dtype=np.float64)


def heim_tone(path: Path) -> int | None:
    """HEIM's tone of an image, 1-10; None where no pixel passes for skin."""
    with path.open("rb") as file, Image.open(file) as opened:
        return tone_of_pixels(np.asarray(opened.convert("RGB")))


def tone_of_pixels(pixels: npt.ArrayLike) -> int | None:
    """As published: mean of the pixels that pass for skin, red and blue exchanged, nearest tone by summed distance."""
    rgb = np.asarray(pixels, dtype=np.float64).reshape(-1, 3)
    skin = rgb[passes_for_skin(rgb)]
    if not len(skin):
        return None
    exchanged = skin.mean(axis=0)[::-1]
    return int(np.abs(exchanged - TONES).sum(axis=1).argmin()) + 1


def passes_for_skin(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The rule of Kolkur et al. 2017 (arXiv 1708.02694) in RGB and YCrCb, 8-bit, as HEIM applies it."""
    red, green, blue = rgb.T
    y = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    cr, cb = np.rint((red - y) * 0.713 + 128), np.rint((blue - y) * 0.564 + 128)
    in_rgb = (red > 95) & (green > 40) & (blue > 20) & (red > green) & (red > blue) & (np.abs(red - green) > 15)
    in_plane = (cr > 135) & (cb > 85) & (y > 80) & (cr <= 1.5862 * cb + 20) & (cr >= 0.3448 * cb + 76.2069)
    lines = (cr >= -4.5652 * cb + 234.5652) & (cr <= -1.15 * cb + 301.75) & (cr <= -2.2857 * cb + 432.85)
    return np.asarray(in_rgb & in_plane & lines)
