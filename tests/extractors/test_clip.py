"""CLIP: evalkit's pass over a checkpoint against transformers' own processor and model."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from evalkit.errors import ModelError, SpecError, UnavailableError
from evalkit.extractors import clip
from evalkit.extractors._class_token import class_token_layer
from tests.clip_checkpoint import CONTEXT, write_clip

TEXTS = ["a red apple", "two dogs", "猫 🙂 <b>", "a " * 200]


@pytest.fixture
def checkpoint(settings):
    return write_clip(settings.root / "data" / "weights" / "tiny-clip")


@pytest.fixture
def pictures(tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number, (width, height) in enumerate([(32, 32), (64, 64), (50, 71), (71, 50), (5, 9)]):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def test_image_rows_equal_those_of_transformers(settings, checkpoint, pictures):
    processors = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    processor = processors.CLIPImageProcessorPil.from_pretrained(checkpoint)
    inputs = processor([Image.open(path) for path in pictures], return_tensors="pt")
    network = CLIPModel.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        expected = network.visual_projection(network.vision_model(**inputs).pooler_output).numpy()
    found = np.concatenate(list(clip.load(settings, "tiny-clip")(pictures)))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_last_layer_for_the_class_token_gives_the_first_row_of_the_whole_layer(checkpoint):
    layer = CLIPModel.from_pretrained(checkpoint).eval().vision_model.encoder.layers[-1]
    tokens = torch.randn(3, 17, layer.embed_dim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = layer(tokens, None)
        whole = whole[0] if isinstance(whole, tuple) else whole
        token = class_token_layer(layer)(tokens, None)
    assert token.shape == (3, 1, layer.embed_dim)
    assert (token[:, 0] - whole[:, 0]).abs().max() < 1e-5
    assert (token[:, 0] - whole[:, 1]).abs().max() > 1e-3  # another row would be seen


@pytest.mark.parametrize("lengths", [[], [3], [5000, 1, 1], [1] * 70, [20] * 40 + [400] * 5 + [2000]])
def test_batches_of_texts_hold_each_once_in_order_and_little_padding(lengths):
    texts = ["x" * length for length in lengths]
    batches = list(clip._little_padded(texts))
    assert [text for batch in batches for text in batch] == texts
    assert all(len(batch) == 1 or len(batch) * max(map(len, batch)) <= 1200 for batch in batches)
    assert all(1 <= len(batch) <= 32 for batch in batches)


def test_openvino_gives_the_same_image_rows(settings, checkpoint, pictures):
    pytest.importorskip("openvino")
    plain = settings.model_copy(update={"device": "cpu", "threads": 1})
    compiled = plain.model_copy(update={"runtime": "openvino"})
    by_torch, by_openvino = (np.concatenate(list(clip.load(one, "tiny-clip")(pictures))) for one in (plain, compiled))
    lengths = np.linalg.norm(by_torch, axis=1)
    assert (np.linalg.norm(by_openvino - by_torch, axis=1) / lengths).max() < 1e-5
    assert not (by_openvino == by_torch).all()  # another runtime did run


def test_text_rows_equal_one_text_at_a_time_without_padding(settings, checkpoint):
    network, tokens = CLIPModel.from_pretrained(checkpoint).eval(), CLIPTokenizer.from_pretrained(checkpoint)
    found = np.concatenate(list(clip.load_text(settings, "tiny-clip")(TEXTS)))
    for text, row in zip(TEXTS, found, strict=True):
        inputs = tokens(text, truncation=True, max_length=CONTEXT, return_tensors="pt")
        with torch.inference_mode():
            expected = network.text_projection(network.text_model(**inputs).pooler_output)[0].numpy()
        assert np.abs(row - expected).max() < 1e-4 * np.abs(expected).max()


def test_tokens_beyond_the_context_are_counted(settings, checkpoint):
    # Every word "a" is one token; start and end are two more.
    exact = " ".join("a" for _ in range(CONTEXT - 2))
    assert clip.excess_tokens([exact, exact + " a", "a " * 200], clip.find_checkpoint(settings, "tiny-clip")) == [
        0,
        1,
        202 - CONTEXT,
    ]


def test_the_identity_follows_the_weights(settings, checkpoint):
    before = clip.identity(settings, "tiny-clip")
    assert before.startswith("tiny-clip:") and before.endswith("|pil-bicubic-u8")
    assert clip.identity(settings, str(checkpoint)) == before  # by name or by path
    write_clip(checkpoint, seed=1)
    assert clip.identity(settings, "tiny-clip") != before


def test_a_hub_checkpoint_needs_its_revision(settings):
    assert clip.find_checkpoint(settings).source == "openai/clip-vit-large-patch14"
    assert clip.identity(settings) == "clip-vit-large-patch14:32bd6428|pil-bicubic-u8"
    with pytest.raises(SpecError, match="no CLIP checkpoint"):
        clip.identity(settings, "openai/clip-vit-large-patch14")


def test_an_unknown_name_gets_the_nearest(settings, checkpoint):
    with pytest.raises(SpecError, match="did you mean 'tiny-clip'"):
        clip.identity(settings, "tinyclip")


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_way_out(settings, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError) as error:
        clip.load(settings, "nobody/nothing@" + "0" * 40)
    assert "folder" in error.value.hint


def test_damaged_weights_are_an_error(settings, checkpoint):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="CLIPModel cannot be read"):
        clip.load(settings, "tiny-clip")


def test_pickled_weights_are_refused(settings, checkpoint):
    network = CLIPModel.from_pretrained(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    torch.save(network.state_dict(), checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelError):
        clip.load(settings, "tiny-clip")


def test_a_checkpoint_that_lacks_weights_is_refused(settings, checkpoint):
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of its weights, as text_projection\.weight"):
        clip.load_text(settings, "tiny-clip")
