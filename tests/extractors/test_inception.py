"""The Inception network: evalkit's pass over torch-fidelity's layers is torch-fidelity's own; weights are checked."""

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import UnavailableError
from evalkit.extractors import inception

published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """torch's folder is empty, and the address of the weights answers nothing."""
    monkeypatch.setattr(inception, "_torch_folder", lambda: tmp_path / "torch")
    monkeypatch.setattr(published, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """The published shapes, with random numbers."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    made = {}

    class Unloaded(published.FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            made.update(self.state_dict())
            return None

    torch.save({}, path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Unloaded("random", ["2048"], str(path))
    torch.save(made, path)
    return path


def test_layer_by_layer_equals_torch_fidelity(monkeypatch, random_weights, settings, tmp_path):
    monkeypatch.setattr(inception, "weights_file", lambda settings: random_weights)
    pixels = np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)
    picture = tmp_path / "picture.png"
    Image.fromarray(pixels).save(picture)
    (found,) = inception.load(settings)([picture])
    network = published.FeatureExtractorInceptionV3("random", ["2048"], str(random_weights))
    with torch.inference_mode():
        (expected,) = network(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    assert found.shape == (1, inception.DIMENSIONS)
    assert np.abs(found - expected.numpy()).max() < 1e-5 * expected.abs().max().item()


def test_weights_that_cannot_be_had_are_named(no_network, settings):
    with pytest.raises(UnavailableError, match=r"weights-inception-2015-12-05-6726825d\.pth") as error:
        inception.identity(settings)
    assert "fd_lite0" in error.value.hint


def test_a_file_with_other_weights_is_refused(no_network, random_weights, settings):
    folder = settings.root / "data" / "weights"
    folder.mkdir()
    (folder / "pt_inception-2015-12-05-6726825d.pth").write_bytes(random_weights.read_bytes())
    with pytest.raises(UnavailableError, match="not the published"):
        inception.load(settings)
