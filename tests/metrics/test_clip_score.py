"""CLIPScore against transformers' own logits, image by image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from evalkit.extractors import clip
from evalkit.metrics import clip_score
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from tests.clip_checkpoint import CONTEXT, write_clip

TEXTS = ["a red apple", "two dogs", "猫", "a " * 40, "a red apple"]


@pytest.fixture
def checkpoint(settings) -> Path:
    return write_clip(settings.root / "data" / "weights" / "tiny-clip", seed=4)


@pytest.fixture
def workplace(settings, tmp_path):
    return Workplace(settings, tmp_path / "features", "tiny-clip")


@pytest.fixture
def pictures(tmp_path):
    rng, made = np.random.default_rng(0), []
    for number, text in enumerate(TEXTS):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
        made.append(Picture(path, file_sha256(path), text))
    return made


def expected(checkpoint, pictures) -> np.ndarray:
    network, processor = CLIPModel.from_pretrained(checkpoint).eval(), CLIPProcessor.from_pretrained(checkpoint)
    values = []
    for picture in pictures:
        inputs = processor(
            text=picture.prompt,
            images=Image.open(picture.path),
            truncation=True,
            max_length=CONTEXT,
            return_tensors="pt",
        )
        with torch.inference_mode():
            told = network(**inputs)
        values.append(told.logits_per_image.item() / network.logit_scale.exp().item())
    return np.array(values)


def test_values_are_100_times_the_cosine_and_never_negative(checkpoint, pictures, workplace):
    cosines = expected(checkpoint, pictures)
    found = clip_score.score(pictures, workplace)
    assert cosines.min() < 0 < cosines.max()  # so that the clamp is seen
    assert found.values == pytest.approx(100 * np.maximum(cosines, 0), abs=1e-3)


def test_a_prompt_that_clip_does_not_see_whole_is_named(checkpoint, pictures, workplace):
    reasons = clip_score.score(pictures, workplace).reasons
    assert reasons[3] == f"prompt cut: CLIP did not see its last {42 - CONTEXT} tokens"
    assert [reason for number, reason in enumerate(reasons) if number != 3] == [""] * 4


def test_order_and_company_change_nothing(checkpoint, pictures, workplace, settings, tmp_path):
    together = clip_score.score(pictures, workplace).values
    alone = [
        clip_score.score([picture], Workplace(settings, tmp_path / str(number), "tiny-clip")).values[0]
        for number, picture in enumerate(reversed(pictures))
    ]
    assert together == pytest.approx(alone[::-1], abs=1e-3)


def test_scoring_again_costs_no_network_pass(checkpoint, pictures, workplace, monkeypatch):
    first = clip_score.score(pictures, workplace).values
    monkeypatch.setattr(clip, "_network", None)
    assert (clip_score.score(pictures, workplace).values == first).all()
