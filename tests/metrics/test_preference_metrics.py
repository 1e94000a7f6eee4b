"""PickScore, HPS, ImageReward, aesthetics and VQAScore on small random checkpoints in the published layouts.

Each is compared with a computation of its own: other libraries, or the formula written out.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import BertTokenizer, CLIPModel, CLIPProcessor, InstructBlipForConditionalGeneration

from evalkit.errors import ModelError, UnavailableError
from evalkit.metrics import hps_v21, image_reward, laion_aesthetic, pick_score, vqa_score
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from tests.clip_checkpoint import CONTEXT, WIDTH, write_clip
from tests.metrics import small_networks

TEXTS = ["a red apple", "two dogs", "a " * 60]


@pytest.fixture
def pictures(tmp_path):
    rng, made = np.random.default_rng(0), []
    for number, text in enumerate(TEXTS):
        path = tmp_path / f"{number}.png"
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((48, 48), Image.Resampling.BICUBIC).save(path)
        made.append(Picture(path, file_sha256(path), text))
    return made


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"threads": 1, "device": "cpu"})


@pytest.fixture
def workplace(settings, tmp_path):
    return Workplace(settings, tmp_path / "features")


def weights_folder(settings, name):
    folder = settings.root / "data" / "weights" / name
    folder.mkdir(parents=True)
    return folder


def test_pick_score_is_the_logit_of_transformers(settings, workplace, pictures):
    small_networks.card(settings.root, "pickscore-v1")
    folder = write_clip(settings.root / "data/weights/pickscore-v1", seed=2)
    network, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)
    cut = {"truncation": True, "max_length": CONTEXT, "return_tensors": "pt"}
    with torch.inference_mode():
        told = [
            network(**processor(text=one.prompt, images=Image.open(one.path), **cut)).logits_per_image.item()
            for one in pictures
        ]
    found = pick_score.score(pictures, workplace)
    assert found.values == pytest.approx(told, abs=1e-3)
    assert found.reasons[2].startswith("prompt cut") and not found.reasons[0]


def test_hps_is_the_cosine_of_open_clip_on_the_same_file(settings, workplace, pictures):
    open_clip = pytest.importorskip("open_clip")
    small_networks.card(settings.root, "hps-v2-1")
    folder = write_clip(settings.root / "data/weights/hps-v2-1", seed=3)
    (folder / "model.safetensors").unlink()
    torch.manual_seed(1)
    vision = {
        "image_size": 32,
        "layers": 2,
        "width": WIDTH,
        "patch_size": 8,
        "head_width": WIDTH // 2,
        "mlp_ratio": 2.0,
    }
    words = CLIPProcessor.from_pretrained(folder).tokenizer
    text = {"context_length": CONTEXT, "vocab_size": len(words), "width": WIDTH, "heads": 2, "layers": 2}
    network = open_clip.CLIP(WIDTH, vision | {"mlp_ratio": 2.0}, text | {"mlp_ratio": 2.0}).eval()
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3)
    torch.save({"state_dict": network.state_dict()}, folder / hps_v21.WEIGHTS)
    set_activation(folder, "gelu")
    processor = CLIPProcessor.from_pretrained(folder)
    told = []
    for one in pictures:
        fed = processor(text=one.prompt, images=Image.open(one.path), padding="max_length", max_length=CONTEXT,
                        truncation=True, return_tensors="pt")  # fmt: skip
        with torch.inference_mode():
            ids = fed["input_ids"].masked_fill(fed["attention_mask"] == 0, 0)
            seen, read = network.encode_image(fed["pixel_values"]), network.encode_text(ids)
        told.append(functional.cosine_similarity(seen, read).item())
    assert hps_v21.score(pictures, workplace).values == pytest.approx(told, abs=1e-4)
    state = torch.load(folder / hps_v21.WEIGHTS, weights_only=True)["state_dict"]
    state.pop("visual.transformer.resblocks.1.attn.in_proj_weight")
    torch.save({"state_dict": state}, folder / hps_v21.WEIGHTS)
    with pytest.raises(ModelError, match="weights are lacking"):
        hps_v21.score(pictures, Workplace(settings, workplace.features / "other"))


def set_activation(folder, name):
    import json

    told = json.loads((folder / "config.json").read_text())
    for part in ("text_config", "vision_config"):
        told[part]["hidden_act"] = name
    (folder / "config.json").write_text(json.dumps(told))


def test_pictures_that_are_no_squares_keep_all_they_show_in_hps(settings):
    from evalkit.extractors.clip import filled, padded

    image = Image.new("RGB", (40, 20), "white")
    assert np.asarray(filled(image, 32, 32)).min() == 255
    bars = np.asarray(padded(image, 32, 32))
    assert bars.shape == (32, 32, 3) and bars[8:24].min() == 255 and bars[:8].max() == 0 == bars[24:].max()


def test_the_aesthetic_head_is_torchs_own_on_unit_embeddings(settings, workplace, pictures):
    for name in ("laion-aesthetic-v2", "clip-vit-l-14"):
        small_networks.card(settings.root, name)
    clip_folder = write_clip(settings.root / "data/weights/clip-vit-l-14", seed=4)
    tensors = small_networks.head_tensors(WIDTH)
    torch.save(tensors, weights_folder(settings, "laion-aesthetic-v2") / laion_aesthetic.WEIGHTS)
    network, processor = CLIPModel.from_pretrained(clip_folder).eval(), CLIPProcessor.from_pretrained(clip_folder)
    pixels = processor(images=[Image.open(one.path) for one in pictures], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        rows = network.visual_projection(network.vision_model(pixels).pooler_output)
        told = small_networks.head_forward(functional.normalize(rows), tensors)[:, 0]
    assert laion_aesthetic.score(pictures, workplace).values == pytest.approx(told.tolist(), abs=1e-4)


def attention(rows, context, state, name, mask=None):
    """Multi-head attention, written out; `mask` (n,) is 1 where there is something to look at."""
    parts = {
        key: functional.linear(x, state[f"{name}.{key}.weight"], state[f"{name}.{key}.bias"])
        for key, x in (("query", rows), ("key", context), ("value", context))
    }
    query, key, value = (part.unflatten(1, (-1, 64)).transpose(0, 1) for part in parts.values())
    weights = query @ key.transpose(1, 2) / 8
    if mask is not None:
        weights = weights.masked_fill(mask == 0, -1e9)
    return (weights.softmax(-1) @ value).transpose(0, 1).flatten(1)


def reward(pixels, ids, mask, state):
    """ImageReward on tensors in the layout in which they are published, written out from the papers."""
    eye = {name.removeprefix("blip.visual_encoder."): x for name, x in state.items() if "visual" in name}
    text = {name.removeprefix("blip.text_encoder."): x for name, x in state.items() if "text_encoder" in name}

    def norm(x, part, name, eps):
        return functional.layer_norm(x, x.shape[-1:], part[f"{name}.weight"], part[f"{name}.bias"], eps)

    def linear(x, part, name):
        return functional.linear(x, part[f"{name}.weight"], part[f"{name}.bias"])

    x = functional.conv2d(pixels[None], eye["patch_embed.proj.weight"], eye["patch_embed.proj.bias"], stride=8)
    x = torch.cat([eye["cls_token"][0], x[0].flatten(1).T]) + eye["pos_embed"][0]
    for layer in range(2):
        block, y = f"blocks.{layer}", norm(x, eye, f"blocks.{layer}.norm1", 1e-6)
        names = [f"{block}.{part}.{kind}" for part in ("query", "key", "value") for kind in ("weight", "bias")]
        thirds = [x for pair in zip(*(eye[f"{block}.attn.qkv.{kind}"].chunk(3) for kind in ("weight", "bias")), strict=True) for x in pair]  # fmt: skip  # noqa: E501
        x = x + linear(attention(y, y, dict(zip(names, thirds, strict=True)), block), eye, f"{block}.attn.proj")
        y = functional.gelu(linear(norm(x, eye, f"{block}.norm2", 1e-6), eye, f"{block}.mlp.fc1"))
        x = x + linear(y, eye, f"{block}.mlp.fc2")
    seen = norm(x, eye, "norm", 1e-6)
    x = text["embeddings.word_embeddings.weight"][ids] + text["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x, text, "embeddings.LayerNorm", 1e-12)
    for layer in range(2):
        for part, context, hidden in (("attention", None, mask), ("crossattention", seen, None)):
            block = f"encoder.layer.{layer}.{part}"
            y = attention(x, x if context is None else context, text, f"{block}.self", hidden)
            x = norm(x + linear(y, text, f"{block}.output.dense"), text, f"{block}.output.LayerNorm", 1e-12)
        block = f"encoder.layer.{layer}"
        y = linear(functional.gelu(linear(x, text, f"{block}.intermediate.dense")), text, f"{block}.output.dense")
        x = norm(x + y, text, f"{block}.output.LayerNorm", 1e-12)
    head = {name: tensor for name, tensor in state.items() if name.startswith("mlp.")}
    value = small_networks.head_forward(x[:1], head, "mlp.")
    return (value.item() - 0.16717362830052426) / 1.0333394966054072


def test_image_reward_is_its_formula_written_out(settings, workplace, pictures):
    for name in ("image-reward", "bert-base-uncased"):
        small_networks.card(settings.root, name)
    words = BertTokenizer.from_pretrained(
        small_networks.write_bert_words(settings.root / "data/weights/bert-base-uncased")
    )
    state = small_networks.image_reward_tensors()
    torch.save(state, weights_folder(settings, "image-reward") / image_reward.WEIGHTS)
    found = image_reward.score(pictures, workplace)
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (image_reward.PIXEL_MEAN, image_reward.PIXEL_DEVIATION))
    for one, value in zip(pictures, found.values, strict=True):
        image = np.asarray(Image.open(one.path).resize((32, 32), Image.Resampling.BICUBIC), dtype=np.float32) / 255
        fed = words(one.prompt, padding="max_length", truncation=True, max_length=35)
        with torch.inference_mode():
            told = reward(
                (torch.tensor(image).permute(2, 0, 1) - mean) / deviation,
                torch.tensor(fed["input_ids"]),
                torch.tensor(fed["attention_mask"]),
                state,
            )
        assert value == pytest.approx(told, abs=1e-4)
    assert np.ptp(found.values) > 1e-3 and found.reasons[2].startswith("prompt cut: ImageReward did not see its last")


def test_vqa_score_is_the_probability_of_yes_token_by_token(settings, workplace, pictures):
    small_networks.card(settings.root, "instructblip-flan-t5-xl")
    folder = small_networks.write_instructblip(settings.root / "data/weights/instructblip-flan-t5-xl")
    pictures = pictures[:2]
    found = vqa_score.score(pictures, workplace).values
    network = InstructBlipForConditionalGeneration.from_pretrained(folder).eval()
    processor = vqa_score.pretrained("InstructBlipProcessor", str(folder), None)
    for one, value in zip(pictures, found, strict=True):
        question = f'Question: Does this figure show "{one.prompt}"? Please answer yes or no.'
        fed = processor(images=Image.open(one.path), text=question, return_tensors="pt")
        logs = []
        for said, wanted in (([0], 3), ([0, 3], 1)):  # start -> "yes", start and "yes" -> end
            with torch.inference_mode():
                logits = network(**fed, decoder_input_ids=torch.tensor([said])).logits[0, -1]
            logs.append(torch.log_softmax(logits, -1)[wanted].item())
        assert value == pytest.approx(np.exp(np.mean(logs)), rel=1e-4)
    assert found[0] != found[1]


def test_scoring_again_costs_no_network_pass(settings, workplace, pictures, monkeypatch):
    for name in ("image-reward", "bert-base-uncased"):
        small_networks.card(settings.root, name)
    small_networks.write_bert_words(settings.root / "data/weights/bert-base-uncased")
    torch.save(small_networks.image_reward_tensors(), weights_folder(settings, "image-reward") / image_reward.WEIGHTS)
    first = image_reward.score(pictures, workplace).values
    monkeypatch.setattr(image_reward, "_load", None)
    assert (image_reward.score(pictures, workplace).values == first).all()


def test_an_open_revision_says_how_to_pin_it(settings, workplace, pictures):
    small_networks.card(settings.root, "pickscore-v1")
    with pytest.raises(UnavailableError, match="not pinned") as error:
        pick_score.identity(workplace)
    assert "evalkit fetch" in error.value.hint and "data/weights/pickscore-v1" in error.value.hint


def test_code_in_a_pickle_never_runs(settings, workplace, pictures, tmp_path):
    class Fault:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name in ("image-reward", "bert-base-uncased"):
        small_networks.card(settings.root, name)
    small_networks.write_bert_words(settings.root / "data/weights/bert-base-uncased")
    torch.save({"blip": Fault()}, weights_folder(settings, "image-reward") / image_reward.WEIGHTS)
    with pytest.raises(ModelError, match="cannot be read"):
        image_reward.score(pictures, workplace)
    assert not (tmp_path / "ran").exists()
