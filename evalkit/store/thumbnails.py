"""Small pictures of a run, so that its report needs no image store: thumbnails/KEY.webp."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from evalkit.store.files import write_bytes
from evalkit.store.run import Run

SIDE = 256
"""Longest side, pixels."""
LOSSLESS_UP_TO = 128
QUALITY = 85


def thumbnail_path(run: Run, key: str) -> Path:
    """Where the thumbnail of an image lies."""
    return run.path("thumbnails") / f"{key}.webp"


def write_thumbnail(run: Run, key: str, image: Path) -> bool:
    """Writes the thumbnail of a stored image if it is not there: never enlarged, no metadata. Whether it wrote."""
    path = thumbnail_path(run, key)
    if path.is_file():
        return False
    with image.open("rb") as file, Image.open(file) as opened:
        small = opened.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    small.save(content, "WEBP", lossless=max(small.size) <= LOSSLESS_UP_TO, quality=QUALITY, method=4)
    write_bytes(path, content.getvalue())
    return True
