"""The Inception network gives the features of the packages whose resizing it takes; weights are checked."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import SpecError, UnavailableError
from evalkit.extractors import inception, inception_classes
from evalkit.extractors._inception_network import LAYERS
from tests.extractors.random_inception import write_random_inception

published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """torch's folder is empty, and the address of the weights answers nothing."""
    monkeypatch.setattr(inception, "_torch_folder", lambda: tmp_path / "torch")
    monkeypatch.setattr(published, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    return write_random_inception(tmp_path_factory.mktemp("inception") / "weights.pth")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """One larger and one smaller than the network's input, no squares."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, shape in {"large": (400, 512, 3), "small": (90, 70, 3)}.items():
        coarse = np.random.default_rng(len(name)).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(shape[1::-1], Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return sorted(folder.iterdir())


def pixels_of(path):
    return torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)[None]


@functools.cache
def of_torch_fidelity(weights, layer="2048"):
    """Its network; drawing the numbers that the weights replace takes seconds."""
    return published.FeatureExtractorInceptionV3("random", [layer], str(weights))


def by_torch_fidelity(path, weights):
    return of_torch_fidelity(weights)(pixels_of(path))[0]


def by_torchmetrics(path, weights):
    fid = pytest.importorskip("torchmetrics.image.fid")
    network = fid.NoTrainInceptionV3("random", ["2048"], str(weights), antialias=True)
    return network(pixels_of(path))


def by_pytorch_fid(path, weights):
    inception_of = pytest.importorskip("pytorch_fid.inception")
    with pytest.MonkeyPatch.context() as patch:
        state = torch.load(weights, weights_only=True)
        patch.setattr(inception_of, "load_state_dict_from_url", lambda *args, **options: state)
        return inception_of.InceptionV3().eval()(pixels_of(path) / 255)[0].flatten(1)


def by_clean_fid(path, weights):
    """Its resizing, step by step (make_resizer("PIL", False, "bicubic", (299, 299))), then the same network."""
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(np.asarray(Image.open(path)), 2, 0)]
    resized = [np.asarray(plane.resize((299, 299), resample=Image.BICUBIC)).clip(0, 255) for plane in planes]
    x = (torch.from_numpy(np.stack(resized))[None] - 128) / 128
    network = of_torch_fidelity(weights)
    for name in LAYERS:
        x = getattr(network, name)(x)
    return x.flatten(1)


built = functools.cache(inception.build)
PEERS = {"clean": by_clean_fid, "pytorch-fid": by_pytorch_fid, "torch-fidelity": by_torch_fidelity}
PEERS |= {"torchmetrics": by_torchmetrics}


@pytest.mark.parametrize("way", PEERS)
def test_each_way_of_resizing_gives_the_features_of_the_package_it_is_named_after(
    way, monkeypatch, random_weights, pictures, settings
):
    monkeypatch.setattr(inception, "weights_file", lambda settings: random_weights)
    monkeypatch.setattr(inception, "build", built)
    found = np.concatenate(list(inception.load(settings, way)(pictures)))
    with torch.inference_mode():
        expected = np.concatenate([PEERS[way](path, random_weights).numpy() for path in pictures])
        other = PEERS["torch-fidelity" if way == "clean" else "clean"](pictures[0], random_weights).numpy()
    assert found.shape == (2, inception.DIMENSIONS)
    assert away(found, expected) < 1e-5
    assert away(found[:1], other) > 1e-4  # the planted fault: another resizing is seen


def away(found, expected):
    """Largest distance of a row over its length."""
    return (np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()


def test_openvino_gives_the_same_features(monkeypatch, random_weights, pictures, settings):
    pytest.importorskip("openvino")
    monkeypatch.setattr(inception, "weights_file", lambda settings: random_weights)
    compiled = settings.model_copy(update={"runtime": "openvino", "device": "cpu", "threads": 1})
    by_torch, by_openvino = (np.concatenate(list(inception.load(one)(pictures))) for one in (settings, compiled))
    assert away(by_openvino, by_torch) < 1e-6


def test_class_values_are_those_of_torch_fidelity(monkeypatch, random_weights, pictures, settings):
    monkeypatch.setattr(inception, "weights_file", lambda settings: random_weights)
    (found,) = inception_classes.load(settings, "torch-fidelity")(pictures[:1])
    network = of_torch_fidelity(random_weights, "logits_unbiased")
    with torch.inference_mode():
        expected = network(pixels_of(pictures[0]))[0].numpy()
    assert found.shape == (1, 1008) and away(found, expected) < 1e-5


def test_an_unknown_way_is_refused(monkeypatch, random_weights, settings):
    monkeypatch.setattr(inception, "weights_file", lambda settings: random_weights)
    with pytest.raises(SpecError, match="no resizing named 'pytorchfid'") as error:
        inception.identity(settings, "pytorchfid")
    assert "did you mean 'pytorch-fid'" in error.value.hint
    assert inception.identity(settings).endswith("|pil-bicubic-f32-clip-299")


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
