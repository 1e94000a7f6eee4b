"""Pictures: pixels survive, everything else goes; all files of a study have one length."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from evalkit.errors import VotingError
from evalkit.voting import pictures
from evalkit.voting.pictures import Size


def pixels(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "RGB" and picture.format == "PNG" and not picture.info
        return np.asarray(picture)


def test_metadata_goes_and_every_pixel_stays():
    text, exif = PngInfo(), Image.Exif()
    text.add_text("parameters", "a red apple, steps 50, model sd15")
    exif[0x010E] = "sd15"
    plain = pixels(512, 512)
    told = encoded(plain, pnginfo=text, exif=exif, dpi=(300, 300))
    made = pictures.normalise(told, Size(512, 512), "x.png")
    assert b"sd15" in told and b"sd15" not in made
    assert [chunk.kind for chunk in pictures.chunks(made) if chunk.kind != b"IDAT"] == [b"IHDR", b"IEND"]
    np.testing.assert_array_equal(decoded(made), plain)


def test_files_from_different_encoders_become_the_same_bytes():
    plain = pixels(64, 64)
    ways = [
        encoded(plain),
        encoded(plain, compress_level=1),
        encoded(plain, "WEBP", lossless=True),
        encoded(plain, "BMP"),
    ]
    assert len({pictures.normalise(way, Size(64, 64), "x") for way in ways}) == 1


def test_transparency_is_shown_on_grey_and_an_orientation_is_undone():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert set(decoded(pictures.normalise(encoded(clear), Size(4, 4), "x")).ravel()) == {128}
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter
    content = encoded(pixels(8, 4), exif=exif)
    assert pictures.size_of(content, "x") == Size(4, 8)
    np.testing.assert_array_equal(decoded(pictures.normalise(content, Size(4, 8), "x")), np.rot90(pixels(8, 4), k=-1))


def test_a_colour_profile_is_turned_into_srgb():
    grey = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (
        np.abs(decoded(pictures.normalise(encoded(grey, icc_profile=same), Size(8, 8), "x")).astype(int) - grey).max()
        <= 1
    )
    swapped = same.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")  # red is blue
    turned = decoded(pictures.normalise(encoded(grey, icc_profile=swapped), Size(8, 8), "x"))
    assert np.abs(turned.astype(int) - grey[..., ::-1]).max() <= 2
    with pytest.raises(VotingError, match="colour profile"):
        pictures.normalise(encoded(grey, icc_profile=b"no profile at all"), Size(8, 8), "x.png")


@pytest.mark.parametrize("content", [b"", b"no picture", encoded(pixels(64, 64))[:200]])
def test_what_cannot_be_decoded_is_named(content):
    with pytest.raises(VotingError, match="cannot be decoded") as caught:
        pictures.normalise(content, Size(8, 8), "apple.png")
    assert caught.value.where == "apple.png"


def test_one_size_for_all():
    assert pictures.common_size([Size(64, 64), Size(64, 64)]) == Size(512, 512)
    assert pictures.common_size([Size(512, 512), Size(1024, 1024)]) == Size(1024, 1024)
    assert pictures.common_size([Size(768, 512), Size(384, 256)]) == Size(768, 512)
    with pytest.raises(VotingError, match="512 x 512 px and of 768 x 512 px"):
        pictures.common_size([Size(768, 512), Size(512, 512)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6))
def test_padding_gives_one_length_valid_files_and_the_same_pixels(shapes):
    plain = [encoded(pixels(width, height, seed)) for seed, (width, height) in enumerate(shapes)]
    length = pictures.padded_length(map(len, plain))
    for before in plain:
        after = pictures.pad(before, length)
        assert len(after) == length and length % pictures.ROUNDING == 0
        np.testing.assert_array_equal(decoded(after), decoded(before))
        parts = list(pictures.chunks(after))
        assert [part.kind for part in parts[-2:]] == [pictures.PADDING, b"IEND"]
        checksum = zlib.crc32(parts[-2].kind + parts[-2].data).to_bytes(4, "big")
        assert after[-16:-12] == checksum  # before the empty last chunk: 12 bytes
    assert pictures.pad(plain[0], length) != pictures.pad(plain[0], length)


def test_padding_is_of_a_kind_that_every_reader_skips():
    ancillary, private, reserved, copied = (bool(letter & 32) for letter in pictures.PADDING)
    assert ancillary and private and not reserved and copied


def test_what_follows_the_end_of_a_file_is_seen():
    assert list(pictures.chunks(encoded(pixels(2, 2)) + b"sd15"))[-1] == pictures.Chunk(b"", b"sd15")
