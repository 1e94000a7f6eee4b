"""Two folders of pictures: distances with their signatures, or an error that says what is wrong."""

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import RunError, SpecError
from evalkit.extractors import lite0
from evalkit.stages.score_folders import score_folders


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
