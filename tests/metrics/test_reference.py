"""Reference sets: a folder of pictures or stored features; never features of another network."""

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import RunError, SpecError
from evalkit.extractors import lite0
from evalkit.metrics._metric import Workplace
from evalkit.metrics._reference import find_reference, read_reference


@pytest.fixture
def folder(settings):
    folder = settings.root / "data" / "originals"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    return folder


def test_no_reference_is_none(settings):
    assert find_reference(None, settings.root) is None


def test_a_folder_is_labelled_by_its_content_and_keeps_doubles(settings, folder, tmp_path):
    found = find_reference("data/originals", settings.root)
    features = read_reference(found, "lite0", Workplace(settings, tmp_path))
    assert features.rows.shape == (4, 1280)
    assert (features.rows[0] == features.rows[3]).all() and len(set(features.prompts)) == 3
    assert found.label.startswith("originals:")
    (folder / "0.png").rename(folder / "renamed.png")
    assert find_reference("data/originals", settings.root).label == found.label
    Image.new("RGB", (8, 8)).save(folder / "1.png")
    assert find_reference("data/originals", settings.root).label != found.label


def stored(settings, **changes):
    path = settings.root / "data" / "reference.npz"
    arrays = {
        "extractor": lite0.identity(settings),
        "features": np.ones((5, 1280), dtype=np.float16),
        "prompts": np.array(list("aabbc")),
    }
    np.savez(path, **{name: array for name, array in (arrays | changes).items() if array is not None})
    return find_reference(str(path), settings.root)


def test_stored_features_bring_their_prompts(settings, tmp_path):
    features = read_reference(stored(settings), "lite0", Workplace(settings, tmp_path))
    assert features.rows.dtype.kind == "f" and features.rows.shape == (5, 1280)
    assert features.prompts.tolist() == list("aabbc")


def test_features_of_another_network_are_refused(settings, tmp_path):
    with pytest.raises(SpecError, match="was made by another-net"):
        read_reference(stored(settings, extractor="another-net|224"), "lite0", Workplace(settings, tmp_path))


def test_a_file_without_what_is_needed_says_what_is(settings, tmp_path):
    with pytest.raises(SpecError, match="cannot be read") as error:
        read_reference(stored(settings, features=None), "lite0", Workplace(settings, tmp_path))
    assert "features" in error.value.hint
    path = settings.root / "data" / "reference.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(SpecError, match="cannot be read"):
        read_reference(find_reference(str(path), settings.root), "lite0", Workplace(settings, tmp_path))


def test_what_is_not_there_is_an_error(settings):
    with pytest.raises(SpecError, match="no such reference"):
        find_reference("data/nowhere", settings.root)
    (settings.root / "data" / "empty").mkdir()
    with pytest.raises(RunError, match="no picture"):
        find_reference("data/empty", settings.root)
