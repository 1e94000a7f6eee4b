"""The store of images: data/images/ab/KEY.png, each with the facts about it in KEY.json beside it.

A key is made of all that can change an image's pixels, so runs share images. The PNG holds pixels and no metadata; the
facts are written after it, so an image is there when both files are, whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RunError
from evalkit.places import filesystem, is_remote, reached
from evalkit.spec.fingerprint import file_sha256
from evalkit.store.files import write_bytes, write_text

LISTERS = 16
"""Folders that are listed at once: in a bucket, each answer takes some 50 ms."""


@dataclass(frozen=True)
class DrawnImage:
    """An image fresh from its model."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB"""
    flagged: bool = False
    """the checkpoint's safety checker objected (and has usually blackened the image)"""


@dataclass(frozen=True)
class ImageFacts:
    """What is known about a stored image."""

    sha256: str
    bytes: int
    width: int
    height: int
    flagged: bool
    blank: bool
    """all pixels are the same"""
    seconds: float | None
    """its share of the time that its batch took; None: imported"""
    batch_size: int
    made: dict[str, Any] = field(default_factory=dict)
    """device, dtype, threads and versions that it was made with"""


def image_path(images_dir: Path, key: str) -> Path:
    """Where the image of a key lies.

    Raises:
        RunError: `key` is no key (64 hexadecimal digits), so it could lead anywhere.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise RunError(f"{key[:80]!r} is no image key", where=str(images_dir))
    return images_dir / key[:2] / f"{key}.png"


def relative_path(key: str) -> str:
    """The path of an image within the store, as tables name it."""
    return image_path(Path(), key).as_posix()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels as a PNG without metadata: equal pixels give equal bytes.

    zlib level 1, run lengths only: as small as level 6 for half the time or less. Times, sizes and why not lossless
    WebP: tests/benchmarks/generate.md.
    """
    import zlib

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(content, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return content.getvalue()


def write_image(
    images_dir: Path, key: str, image: DrawnImage, *, seconds: float | None, batch_size: int, made: dict[str, Any]
) -> ImageFacts:
    """Stores an image, then its facts; each file whole or not at all."""
    path, content = image_path(images_dir, key), encode_png(image.pixels)
    facts = ImageFacts(
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        width=image.pixels.shape[1],
        height=image.pixels.shape[0],
        flagged=image.flagged,
        blank=is_blank(image.pixels),
        seconds=seconds,
        batch_size=batch_size,
        made=made,
    )
    write_bytes(path, content)
    write_text(path.with_suffix(".json"), json.dumps(asdict(facts), sort_keys=True) + "\n")
    return facts


def keep_image(
    images_dir: Path, key: str, image: DrawnImage, *, seconds: float | None, batch_size: int, made: dict[str, Any]
) -> tuple[ImageFacts, bool]:
    """Stores an image that is not there yet. An image that is there stays; False if its bytes differ from this one's
    though the batch size is the same: then hardware, versions or threads are not those that it was drawn with."""
    there = read_facts(images_dir, key)
    if there is None:
        return write_image(images_dir, key, image, seconds=seconds, batch_size=batch_size, made=made), True
    same = there.sha256 == hashlib.sha256(encode_png(image.pixels)).hexdigest()
    return there, same or there.batch_size != batch_size


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether every pixel has the colour of the first one."""
    return bool((pixels == pixels[0, 0]).all())


def read_facts(images_dir: Path, key: str) -> ImageFacts | None:
    """The facts of a stored image; None if it is not there, or a file of it is damaged (then it is made again)."""
    path = image_path(images_dir, key)
    try:
        with reached(path):
            facts = ImageFacts(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
            return facts if path.stat().st_size == facts.bytes else None
    except (OSError, ValueError, TypeError):
        return None


def lacking(images_dir: Path, keys: Iterable[str], sizes: Mapping[str, int]) -> Iterator[tuple[str, ImageFacts | None]]:
    """The keys of `keys` whose image is not known to be there, with the facts beside it, which may be None.

    In a bucket an image is known to be there if the folder lists its two objects, the PNG with the bytes that `sizes`
    says. On a disk, where files can be torn, the facts beside each are read. Folders are listed whole, several at once.
    """
    sizes = sizes if is_remote(images_dir) else {}
    folders: dict[str, list[str]] = {}
    for key in keys:
        folders.setdefault(key[:2], []).append(key)
    with ThreadPoolExecutor(LISTERS, thread_name_prefix="lister") as pool:
        for start in range(0, len(folders), LISTERS):  # never all the names at once
            block = list(folders)[start : start + LISTERS]
            listings = pool.map(lambda name: _listed(images_dir / name), block)
            for name, there in zip(block, listings, strict=True):
                unknown = [key for key in folders[name] if not _is_known(key, there, sizes)]
                whole = [key for key in unknown if f"{key}.png" in there and f"{key}.json" in there]
                facts = dict(zip(whole, pool.map(lambda key: read_facts(images_dir, key), whole), strict=True))
                yield from ((key, facts.get(key)) for key in unknown)


def _is_known(key: str, there: Mapping[str, int], sizes: Mapping[str, int]) -> bool:
    return f"{key}.json" in there and there.get(f"{key}.png", -1) == sizes.get(key)


def _listed(folder: Path) -> dict[str, int]:
    """The files of a folder with their bytes."""
    if is_remote(folder):
        return _listed_in_bucket(folder)
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}
    except OSError:
        return {}


def _listed_in_bucket(folder: Path) -> dict[str, int]:
    files, name = filesystem(folder)
    try:
        with reached(folder):
            return {entry["name"].rsplit("/", 1)[-1]: entry["size"] for entry in files.ls(name, detail=True)}
    except FileNotFoundError:
        return {}


def forget_damaged(images_dir: Path, key: str) -> bool:
    """Whether a stored image has other bytes than it was made with; then it counts as missing from now on."""
    path = image_path(images_dir, key)
    if (facts := read_facts(images_dir, key)) is None or file_sha256(path) == facts.sha256:
        return False
    path.with_suffix(".json").unlink()
    return True


def read_pixels(images_dir: Path, key: str) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) of a stored image.

    Raises:
        RunError: it is not there or damaged.
    """
    from PIL import Image

    path = image_path(images_dir, key)
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        hint = "`evalkit generate` makes it again"
        raise RunError(f"an image is missing or damaged: {error}", where=str(path), hint=hint) from error
