"""DINOv2 in its real layout with random weights, against transformers' own way from picture to class token."""

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import ModelError, SpecError
from evalkit.extractors import dinov2

transformers = pytest.importorskip("transformers")


@pytest.fixture
def checkpoint(settings):
    """A small DINOv2 on disk, trained for larger pictures than it gets, as the published one is."""
    torch.manual_seed(0)
    config = transformers.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=518)
    folder = settings.root / "data" / "weights" / "small-dino"
    transformers.Dinov2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture
def picture(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((300, 260), Image.Resampling.BICUBIC).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_features_are_those_of_transformers_own_processor(settings, checkpoint, picture):
    (found,) = dinov2.load(settings, "small-dino")([picture])
    prepared = transformers.BitImageProcessor(
        size={"height": 224, "width": 224}, do_center_crop=False, resample=Image.Resampling.BICUBIC,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )(Image.open(picture), return_tensors="pt")  # fmt: skip
    with torch.inference_mode():
        expected = (
            transformers.Dinov2Model.from_pretrained(checkpoint).eval()(**prepared).last_hidden_state[:, 0].numpy()
        )
    assert found.shape == (1, 32)
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)  # it rounds pixels to 8 bits, we do not


def test_the_signature_tells_checkpoint_and_preprocessing(settings, checkpoint):
    name, resizing = dinov2.identity(settings, "small-dino").split("|")
    assert name.startswith("small-dino:") and resizing == "pil-bicubic-f32-clip-224"
    assert dinov2.identity(settings) == "dinov2-large:47b73eef|pil-bicubic-f32-clip-224"


def test_what_cannot_be_had_is_named(settings, checkpoint):
    with pytest.raises(SpecError, match="no DINOv2 checkpoint 'nowhere'"):
        dinov2.identity(settings, "nowhere")
    from safetensors.torch import load_file, save_file

    kept = {
        name: tensor for name, tensor in load_file(checkpoint / "model.safetensors").items() if "layer.1" not in name
    }
    save_file(kept, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks"):
        dinov2.load(settings, "small-dino")
