"""The multilingual SigLIP score on a small random checkpoint in the published layout, against transformers itself."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor

from evalkit.errors import ModelError, UnavailableError
from evalkit.metrics import siglip_multilingual
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from tests.metrics import small_networks
from tests.siglip_checkpoint import CONTEXT, write_siglip

CARD = siglip_multilingual.CARD
TEXTS = ["A red apple!", "una manzana roja", "लाल कुत्ता", "كلب \u200f أحمر", "犬が走る。", "scene " * 40]


@pytest.fixture
def workplace(settings, tmp_path):
    small_networks.card(settings.root, CARD)
    return Workplace(settings.model_copy(update={"threads": 1, "device": "cpu"}), tmp_path / "features")


@pytest.fixture
def pictures(tmp_path):
    rng, made = np.random.default_rng(0), []
    for number, text in enumerate(TEXTS):
        path = tmp_path / f"{number}.png"
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((48, 40), Image.Resampling.BICUBIC).save(path)
        made.append(Picture(path, file_sha256(path), text))
    return made


def own_cosine(folder, picture):
    """By transformers' own processor and forward pass: its logit without scale and bias."""
    network, processor = AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    words = {"padding": "max_length", "max_length": CONTEXT, "truncation": True, "return_tensors": "pt"}
    fed = processor(text=[picture.prompt], images=Image.open(picture.path), **words)
    assert set(fed) == {"input_ids", "pixel_values"} and fed["input_ids"].shape == (1, CONTEXT)
    with torch.inference_mode():
        logit = network(**fed).logits_per_image
        return ((logit - network.logit_bias) / network.logit_scale.exp()).item()


def test_it_is_the_cosine_of_transformers_in_every_script(settings, workplace, pictures):
    folder = write_siglip(settings.root / "data/weights" / CARD)
    found = siglip_multilingual.score(pictures, workplace)
    assert found.values == pytest.approx(
        [100 * own_cosine(folder, one) for one in pictures], abs=0.02
    )  # Pillow and torchvision
    assert np.ptp(found.values) > 5
    assert found.reasons[5].startswith("prompt cut: SigLIP did not see its last") and not any(found.reasons[:5])
    assert siglip_multilingual.identity(workplace).startswith(f"{CARD}:")


def test_a_checkpoint_that_lacks_weights_and_an_open_revision_are_errors(settings, workplace, pictures):
    with pytest.raises(UnavailableError, match="not pinned") as caught:
        siglip_multilingual.identity(workplace)
    assert "evalkit fetch" in caught.value.hint
    folder = write_siglip(settings.root / "data/weights" / CARD)
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({k: x for k, x in tensors.items() if "head" not in k}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="Siglip lacks"):
        siglip_multilingual.score(pictures, workplace)
