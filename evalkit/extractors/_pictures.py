"""Picture files of any kind as RGB pixels, and their resizing: decoded in worker threads, resized by Pillow.

Bicubic with antialias, in 32-bit floats without rounding or clipping ("clean" resizing: Parmar, Zhang, Zhu 2022,
arXiv 2104.11222, section 3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from evalkit.errors import RunError
from evalkit.extractors import Rows

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
BATCH, DECODERS = 16, 4
Prepare = Callable[[Image.Image], Rows]
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder and its subfolders, sorted by path.

    Raises:
        RunError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise RunError("no such folder", where=str(folder), hint="give a folder of pictures")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise RunError("no picture in this folder", where=str(folder), hint=f"known: {', '.join(SUFFIXES)}")
    return found


def read_rgb(path: Path) -> Image.Image:
    """A picture as upright 8-bit RGB: grey repeated, 16-bit grey divided by 257, transparency laid over white.

    Raises:
        RunError: missing, empty, truncated, no picture, animated, or of a kind whose range is not known.
    """
    try:
        with path.open("rb") as file, Image.open(file) as opened:
            frames = getattr(opened, "n_frames", 1)
            if frames > 1:
                hint = "take one frame out of it"
                raise RunError(f"the picture has {frames} frames, one is expected", where=str(path), hint=hint)
            opened.load()
            return _as_rgb(ImageOps.exif_transpose(opened), path)
    except _UNREADABLE as error:
        hint = "make it again, or take it out of the folder"
        raise RunError(f"the picture cannot be read: {error}", where=str(path), hint=hint) from error


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode.startswith("I;16"):
        grey = np.rint(np.asarray(image, dtype=np.float64) / 257).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        hint = "save it with 8 bits a channel"
        raise RunError(f"pixels of kind {image.mode!r} have no known range", where=str(path), hint=hint)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def resize_float(image: Image.Image, side: int) -> Rows:
    """RGB picture -> float32 (3, side, side), grey levels 0-255 (bicubic may overshoot), aspect ratio not kept."""
    pixels = np.asarray(image)
    planes = [Image.fromarray(pixels[..., channel].astype(np.float32)) for channel in range(3)]
    return np.stack([np.asarray(plane.resize((side, side), Image.Resampling.BICUBIC)) for plane in planes])


def prepared_batches(paths: Sequence[Path], prepare: Prepare, size: int = BATCH) -> Iterator[npt.NDArray[np.float32]]:
    """Pictures as arrays (batch, 3, height, width), decoded ahead in threads while the network works on the last."""
    with ThreadPoolExecutor(DECODERS) as pool:
        ahead: deque[list[Future[Rows]]] = deque()
        for start in range(0, len(paths), size):
            ahead.append([pool.submit(_prepared, path, prepare) for path in paths[start : start + size]])
            if len(ahead) > 1:
                yield np.stack([future.result() for future in ahead.popleft()])
        for futures in ahead:
            yield np.stack([future.result() for future in futures])


def _prepared(path: Path, prepare: Prepare) -> Rows:
    return prepare(read_rgb(path))
