"""Pictures of every kind become the same RGB pixels, or an error that names the file."""

import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from evalkit.errors import RunError
from evalkit.extractors._pictures import pictures_in, prepared_batches, read_rgb, resize_float

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]


def written(tmp_path, image: Image.Image, name="picture.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_rgb_stays_as_it_is(tmp_path):
    assert (np.asarray(read_rgb(written(tmp_path, Image.fromarray(PIXELS)))) == PIXELS).all()


def test_grey_is_repeated_and_sixteen_bits_are_scaled(tmp_path):
    eight = read_rgb(written(tmp_path, Image.fromarray(GREY), "eight.png"))
    sixteen = read_rgb(written(tmp_path, Image.fromarray(GREY.astype(np.uint16) * 257), "sixteen.png"))
    assert (np.asarray(eight) == GREY[..., None]).all()
    assert (np.asarray(sixteen) == GREY[..., None]).all()


def test_transparency_is_laid_over_white(tmp_path):
    alpha = np.zeros((20, 30, 1), dtype=np.uint8)
    alpha[:10] = 255
    path = written(tmp_path, Image.fromarray(np.concatenate([PIXELS, alpha], axis=2)))
    seen = np.asarray(read_rgb(path))
    assert (seen[:10] == PIXELS[:10]).all()
    assert (seen[10:] == 255).all()  # the hidden colours below must not show


def test_a_palette_with_a_transparent_colour_is_laid_over_white(tmp_path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 1), 1)
    seen = np.asarray(read_rgb(written(tmp_path, image, transparency=0)))
    assert seen[0, 0].tolist() == [255, 255, 255]
    assert seen[1, 1].tolist() == [200, 100, 50]


def test_cmyk_becomes_rgb(tmp_path):
    path = written(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "ink.tiff")
    assert np.asarray(read_rgb(path))[0, 0].tolist() == [255, 0, 0]


def test_a_turned_photograph_is_set_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    path = written(tmp_path, Image.fromarray(PIXELS), exif=exif)
    assert (np.asarray(read_rgb(path)) == np.rot90(PIXELS, -1)).all()


def animated(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    return written(tmp_path, frames[0], "moving.gif", save_all=True, append_images=frames[1:])


def truncated(tmp_path):
    path = written(tmp_path, Image.fromarray(PIXELS))
    path.write_bytes(path.read_bytes()[:-600])
    return path


def empty(tmp_path):
    path = tmp_path / "empty.png"
    path.write_bytes(b"")
    return path


def a_text(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no picture")
    return path


def floats(tmp_path):
    return written(tmp_path, Image.fromarray(GREY.astype(np.float32)), "float.tiff")


def a_bomb(tmp_path):
    content = bytearray(written(tmp_path, Image.new("L", (8, 8))).read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # the header claims 3.6 thousand million pixels
    path = tmp_path / "bomb.png"
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("make", [animated, truncated, empty, a_text, floats, a_bomb])
def test_what_cannot_be_read_is_an_error_with_its_file(tmp_path, make):
    path = make(tmp_path)
    with pytest.raises(RunError) as error:
        read_rgb(path)
    assert error.value.where == str(path)
    assert error.value.hint


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        read_rgb(tmp_path / "nowhere.png")


@given(height=strategies.integers(1, 40), width=strategies.integers(1, 40), grey=strategies.integers(0, 255))
@settings(max_examples=25, deadline=None)
def test_one_colour_stays_one_colour_at_any_size(height, width, grey):
    resized = resize_float(Image.new("RGB", (width, height), (grey, 0, 255 - grey)), 16)
    assert resized.shape == (3, 16, 16)
    assert np.abs(resized - np.array([grey, 0, 255 - grey])[:, None, None]).max() < 1e-3


def test_resizing_is_bicubic_with_antialias_in_floats():
    import torch

    ours = resize_float(Image.fromarray(PIXELS), 7)
    pixels = torch.from_numpy(PIXELS).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(pixels, (7, 7), mode="bicubic", antialias=True)[0].numpy()
    without = torch.nn.functional.interpolate(pixels, (7, 7), mode="bicubic", antialias=False)[0].numpy()
    assert np.abs(ours - theirs).max() < 0.01  # grey levels
    assert np.abs(ours - without).max() > 10  # the planted fault: aliasing is seen
    assert not (ours == np.rint(ours)).all()


def test_batches_keep_the_order_and_an_error_in_a_thread_reaches_the_caller(tmp_path):
    paths = [written(tmp_path, Image.new("RGB", (2, 2), (grey, 0, 0)), f"{grey}.png") for grey in range(40)]
    batches = list(prepared_batches(paths, lambda image: resize_float(image, 1), size=16))
    assert [len(batch) for batch in batches] == [16, 16, 8]
    assert np.rint(np.concatenate(batches)[:, 0, 0, 0]).tolist() == list(range(40))
    paths[20].write_bytes(io.BytesIO(b"broken").read())
    with pytest.raises(RunError, match="cannot be read"):
        list(prepared_batches(paths, lambda image: resize_float(image, 1)))


def test_a_folder_is_read_in_order_and_must_hold_pictures(tmp_path):
    with pytest.raises(RunError, match="no such folder"):
        pictures_in(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(RunError, match="no picture"):
        pictures_in(tmp_path)
    (tmp_path / "inner").mkdir()
    first, second = written(tmp_path, Image.new("L", (1, 1)), "b.PNG"), tmp_path / "inner" / "a.png"
    Image.new("L", (1, 1)).save(second)
    assert pictures_in(tmp_path) == sorted([first, second])
