"""Pictures as raters get them: same size, same encoder, no metadata, one length in bytes for a whole study."""

from __future__ import annotations

import io
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from evalkit.errors import VotingError

MIN_SIDE = 512  # pixels; smaller pictures are enlarged, all of a study by the same rule
RESAMPLING = "Lanczos"
NOISE_CELL = 8  # pixels: the side of a square of noise
GREY = (128, 128, 128)  # behind transparent pictures, as on the raters' page
PADDING = b"paDd"  # ancillary, private, safe to copy (PNG specification, section 5.4)
PADDING_OVERHEAD = 12  # bytes: length, type, checksum
ROUNDING = 4096  # bytes: the length of all files is a multiple of it
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Size:
    """Pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"


@dataclass(frozen=True)
class Chunk:
    """A part of a PNG file."""

    kind: bytes
    data: bytes


def common_size(sizes: Iterable[Size]) -> Size:
    """The size of every picture of a study: that of the largest one, enlarged to MIN_SIDE where it is smaller.

    Raises:
        VotingError: the pictures differ in shape: no common size is fair to all.
    """
    found = sorted(set(sizes), key=lambda size: size.width * size.height)
    largest = found[-1]
    for size in found:
        if abs(size.width * largest.height - size.height * largest.width) > max(largest.width, largest.height):
            hint = "give the systems sampling.width and height of one shape"
            raise VotingError(f"pictures of {size} and of {largest} cannot be shown at one size", hint=hint)
    factor = max(1.0, MIN_SIDE / max(largest.width, largest.height))
    return Size(round(largest.width * factor), round(largest.height * factor))


def size_of(content: bytes, where: str) -> Size:
    """The size of an encoded picture, as it is meant to be looked at."""
    return Size(*_decode(content, where).size)


def normalise(content: bytes, size: Size, where: str) -> bytes:
    """A picture as a lossless 8-bit sRGB PNG of `size`, without metadata.

    Raises:
        VotingError: `where` is no picture that can be decoded.
    """
    picture = _decode(content, where)
    if picture.size != (size.width, size.height):
        picture = picture.resize((size.width, size.height), Image.Resampling.LANCZOS)
    bare = Image.frombytes("RGB", picture.size, picture.tobytes())
    out = io.BytesIO()
    bare.save(out, "PNG", compress_level=6)
    return out.getvalue()


def noise(size: Size) -> bytes:
    """A picture of nothing: squares of random colours, coarse enough that its file is no longer than a photograph's."""
    cells = Size(-(-size.width // NOISE_CELL), -(-size.height // NOISE_CELL))
    grain = Image.frombytes("RGB", (cells.width, cells.height), secrets.token_bytes(3 * cells.width * cells.height))
    out = io.BytesIO()
    grain.resize((size.width, size.height), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def padded_length(lengths: Iterable[int]) -> int:
    """The one length, in bytes, that pictures of these lengths are padded to."""
    return -(-(max(lengths) + PADDING_OVERHEAD + 1) // ROUNDING) * ROUNDING


def pad(png: bytes, length: int) -> bytes:
    """The PNG with a chunk of random bytes before its end, `length` bytes in all; its pixels stay as they are."""
    end = len(png) - PADDING_OVERHEAD  # IEND: the last chunk, empty
    noise = secrets.token_bytes(length - len(png) - PADDING_OVERHEAD)
    chunk = struct.pack(">I", len(noise)) + PADDING + noise + struct.pack(">I", zlib.crc32(PADDING + noise))
    return png[:end] + chunk + png[end:]


def chunks(png: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG, and as a chunk without kind whatever follows its end.

    Raises:
        ValueError: not a PNG.
    """
    if not png.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    place = len(SIGNATURE)
    while place + PADDING_OVERHEAD <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        chunk = Chunk(png[place + 4 : place + 8], png[place + 8 : place + 8 + length])
        place += PADDING_OVERHEAD + length
        yield chunk
        if chunk.kind == b"IEND":
            break
    if place < len(png):
        yield Chunk(b"", png[place:])


def _decode(content: bytes, where: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as file:
            return _rgb(ImageOps.exif_transpose(file))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        hint = "`evalkit generate` makes it again"
        raise VotingError(f"a picture cannot be decoded: {error}", where=where, hint=hint) from error


def _rgb(picture: Image.Image) -> Image.Image:
    """8-bit sRGB; what is transparent is shown on grey."""
    profile = picture.info.get("icc_profile")
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA")
        ground = Image.new("RGBA", alpha.size, (*GREY, 255))
        picture = Image.alpha_composite(ground, alpha)
    if profile and picture.mode in ("RGB", "RGBA", "L", "CMYK"):
        return _to_srgb(picture if picture.mode != "RGBA" else picture.convert("RGB"), profile)
    return picture.convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"its colour profile cannot be read: {error}") from error
    return converted if converted is not None else picture.convert("RGB")
