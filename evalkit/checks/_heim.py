"""What HEIM sees in an image: what CLIP likes better, and a mean over skin-coloured pixels beside Monk's tones in RGB.

helm's gender_metrics.py and skin_tone_metrics.py (Lee et al. 2023, arXiv 2311.04287), after DALL-Eval (2202.04053).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.checks._skin import MONK, rgb_of
from evalkit.extractors import Rows, clip
from evalkit.extractors._cache import cached_features
from evalkit.outcome import Progress
from evalkit.settings import Settings

TONES = np.array([rgb_of(code) for code in MONK], dtype=np.float64)
FEMALE, MALE = "a photo of a female", "a photo of a male"


def is_at_hand(checkpoint: clip.Checkpoint) -> bool:
    """Whether the weights of CLIP lie on this disk: in a folder, or in the hub's cache."""
    if checkpoint.revision is None:
        return True
    from huggingface_hub import try_to_load_from_cache

    place = try_to_load_from_cache(checkpoint.source, "model.safetensors", revision=checkpoint.revision)
    return isinstance(place, str)


def is_black(path: Path) -> bool:
    """Whether nothing is on the image but black, as a safety checker leaves it; HEIM looks at no such image."""
    with path.open("rb") as file, Image.open(file) as opened:
        return opened.convert("RGB").getbbox() is None


def seen_as_female(
    files: Mapping[str, Path], checkpoint: clip.Checkpoint, settings: Settings, features: Path, progress: Progress
) -> dict[str, bool]:
    """SHA-256 of a picture -> whether its CLIPScore (none below 0) with FEMALE is above that with MALE.

    Raises:
        UnavailableError: the weights of CLIP cannot be had.
    """
    texts = {sha256(text.encode()).hexdigest(): text for text in (FEMALE, MALE)}
    kept, identity = (features, progress), checkpoint.identity
    of_text = cached_features(texts, f"text of {identity}", lambda: clip.load_texts(checkpoint, settings), *kept)
    rows = cached_features(dict(files), identity, lambda: clip.load_pictures(checkpoint, settings), *kept)
    female, male = (_unit(of_text[key]) for key in texts)
    scores = {key: np.maximum([_unit(row) @ female, _unit(row) @ male], 0.0) for key, row in rows.items()}
    return {key: bool(ours > theirs) for key, (ours, theirs) in scores.items()}


def _unit(row: Rows) -> Rows:
    exact = np.asarray(row, dtype=np.float64)
    return np.asarray(exact / np.linalg.norm(exact))


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
