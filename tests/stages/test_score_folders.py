"""Two folders of pictures: distances with their signatures, or an error that says what is wrong."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from evalkit.errors import RunError, SpecError, UnavailableError
from evalkit.extractors import inception, lite0
from evalkit.stages.score_folders import save_statistics, score_folders


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"threads": 1})


def folder_of(path, pictures: int, *, seed: int, grey: int = 255):
    path.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(pictures):
        Image.fromarray(rng.integers(0, grey, (24, 24, 3), dtype=np.uint8)).save(path / f"{number}.png")
    return path


def test_an_equal_folder_is_at_zero_and_another_is_not(tmp_path, settings, monkeypatch):
    one, dark = folder_of(tmp_path / "one", 6, seed=0), folder_of(tmp_path / "dark", 6, seed=1, grey=60)
    outcome = score_folders(one, settings, reference=one, metrics=["fd_lite0"])
    (row,) = outcome.facts["values"]
    assert row["value"] == pytest.approx(0, abs=1e-6) and row["n"] == 6 and "no valid interval" in row["note"]
    assert row["signature"].startswith("fd_lite0/1|efficientnet-lite0:57934424|") and "ref=one:" in row["signature"]
    far = score_folders(dark, settings, reference=one, metrics=["fd_lite0", "kid_lite0"])
    assert all(row["value"] > 0.01 for row in far.facts["values"]) and "kid_lite0" in far.said
    monkeypatch.setattr(lite0, "load", None)  # features are kept: nothing is computed again
    again = score_folders(dark, settings, reference=one, metrics=["fd_lite0", "kid_lite0"])
    assert again.facts == far.facts


def test_too_few_pictures_for_a_line_are_no_number_and_a_sentence(tmp_path, settings):
    one = folder_of(tmp_path / "one", 6, seed=0)
    outcome = score_folders(one, settings, reference=one, metrics=["fd_infinity_lite0"])
    assert outcome.facts["values"][0]["value"] is None and "no number, n = 6: 6 rows in 1280 dimensions" in outcome.said


def test_what_cannot_be_measured_is_an_error(tmp_path, settings):
    one, single = folder_of(tmp_path / "one", 3, seed=0), folder_of(tmp_path / "single", 1, seed=1)
    with pytest.raises(SpecError, match="needs prompts"):
        score_folders(one, settings, reference=one, metrics=["clip_score"])
    with pytest.raises(RunError, match="two or more"):
        score_folders(single, settings, reference=one, metrics=["fd_lite0"])
    with pytest.raises(SpecError, match="no such reference"):
        score_folders(one, settings, reference=tmp_path / "nowhere", metrics=["fd_lite0"])
    with pytest.raises(RunError, match="no such folder"):
        score_folders(tmp_path / "nowhere", settings, reference=one, metrics=["fd_lite0"])
    (one / "1.png").write_bytes((one / "1.png").read_bytes()[:60])
    with pytest.raises(RunError, match="cannot be read") as error:
        score_folders(one, settings, reference=one, metrics=["fd_lite0"])
    assert error.value.where.endswith("1.png")


def one_of_each(folder):
    """Pictures of every kind that is read, and their number."""
    rgb = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    opaque = np.concatenate([rgb, np.full((20, 30, 1), 128, dtype=np.uint8)], axis=2)
    made = {
        "grey.png": Image.fromarray(rgb[..., 0]),
        "rgba.png": Image.fromarray(opaque),
        "sixteen.png": Image.fromarray(rgb[..., 0].astype(np.uint16) * 257),
        "tiny.png": Image.fromarray(rgb[:1, :1]),
        "ink.jpg": Image.fromarray(rgb).convert("CMYK"),
        "still.gif": Image.fromarray(rgb).convert("P"),
        "photograph.webp": Image.fromarray(rgb),
    }
    for name, image in made.items():
        image.save(folder / name)
    return len(made)


def test_every_kind_of_picture_is_read(tmp_path, settings):
    one, odd = folder_of(tmp_path / "one", 6, seed=0), tmp_path / "odd"
    odd.mkdir()
    count = one_of_each(odd)
    (row,) = score_folders(odd, settings, reference=one, metrics=["fd_lite0"]).facts["values"]
    assert row["n"] == count and np.isfinite(row["value"]) and row["value"] > 0


def animate(path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def cut_off(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("moving.gif", animate),
        ("cut.png", cut_off),
        ("empty.jpg", lambda path: path.write_bytes(b"")),
        ("text.webp", lambda path: path.write_text("no picture")),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(tmp_path, settings, name, spoil):
    one = folder_of(tmp_path / "one", 4, seed=0)
    spoil(one / name)
    with pytest.raises(RunError) as error:
        score_folders(one, settings, reference=one, metrics=["fd_lite0"])
    assert error.value.where == str(one / name) and error.value.hint


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_parquet_file_of_pictures_is_as_good_as_their_folder(tmp_path, settings, wrapped):
    one, dark = folder_of(tmp_path / "one", 6, seed=0), folder_of(tmp_path / "dark", 5, seed=1, grey=60)
    contents = [path.read_bytes() for path in sorted(dark.iterdir())]
    column = [{"bytes": content, "path": "x.png"} for content in contents] if wrapped else contents
    pq.write_table(pa.table({"image": column, "text": ["a"] * 5}), tmp_path / "dark.parquet")
    by_file, by_folder = (
        score_folders(place, settings, reference=one, metrics=["fd_lite0"]).facts["values"][0]
        for place in (tmp_path / "dark.parquet", dark)
    )
    assert by_file == by_folder
    turned = score_folders(one, settings, reference=tmp_path / "dark.parquet", metrics=["fd_lite0"]).facts["values"][0]
    assert turned["value"] == pytest.approx(by_folder["value"], rel=1e-6) and "ref=dark:" in turned["signature"]


def test_a_parquet_file_without_pictures_is_refused(tmp_path, settings):
    one = folder_of(tmp_path / "one", 3, seed=0)
    for column, told in ({"picture": [b"x"]}, "no column 'image'"), ({"image": ["a path"]}, "holds no picture"):
        pq.write_table(pa.table(column), tmp_path / "odd.parquet")
        with pytest.raises(SpecError, match=told):
            score_folders(tmp_path / "odd.parquet", settings, reference=one, metrics=["fd_lite0"])
    (tmp_path / "odd.parquet").write_bytes(b"no parquet")
    with pytest.raises(SpecError, match="not a parquet file"):
        score_folders(tmp_path / "odd.parquet", settings, reference=one, metrics=["fd_lite0"])
    assert not list((settings.data_dir / "cache").rglob("*.tmp"))


def test_statistics_are_written_once_and_used_instead_of_the_pictures(tmp_path, settings):
    one, dark = folder_of(tmp_path / "one", 6, seed=0), folder_of(tmp_path / "dark", 5, seed=1, grey=60)
    told = save_statistics(one, settings, out=tmp_path / "one.npz", metrics=["fd_lite0"])
    assert told.facts["n"] == 6 and told.facts["source"].startswith("one:")
    by_file, by_folder = (
        score_folders(dark, settings, reference=reference, metrics=["fd_lite0"]).facts["values"][0]
        for reference in (tmp_path / "one.npz", one)
    )
    assert by_file["value"] == pytest.approx(by_folder["value"], rel=1e-5)
    with pytest.raises(SpecError, match="needs features"):
        score_folders(dark, settings, reference=tmp_path / "one.npz", metrics=["kid_lite0"])
    for wrong in ([], ["kid_lite0"], ["fd_lite0", "fid"]):
        with pytest.raises(SpecError, match="one network"):
            save_statistics(one, settings, out=tmp_path / "x.npz", metrics=wrong)


def test_without_the_inception_weights_fid_says_where_they_go(tmp_path, settings, monkeypatch):
    published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    monkeypatch.setattr(inception, "_torch_folder", lambda: tmp_path / "torch")
    monkeypatch.setattr(published, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    one = folder_of(tmp_path / "one", 3, seed=0)
    with pytest.raises(UnavailableError, match="cannot be downloaded") as error:
        score_folders(one, settings, reference=one, metrics=["fid", "kid"])
    assert (
        "6726825d" in error.value.what
        and error.value.where == str(tmp_path / "torch")
        and "fd_lite0" in error.value.hint
    )
