"""The committed weights: small, readable by plain diffusers and transformers, and drawing what is asked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evalkit import registry
from evalkit.spec.catalog import Catalog
from evalkit.spec.study import Sampling
from evalkit.training import check, drawing, export, vocabulary
from tests.conftest import ROOT

WEIGHTS = Path(__file__).parents[2] / "data" / "weights"
MODELS = ("emoji-clip", "emoji-sd", "emoji-nas")
SYSTEMS = ("emoji-sd", "emoji-nas")
ASKED = check.wanted_scenes("seen", 24)


@pytest.fixture(scope="module")
def judge() -> check.Judge:
    torch.set_num_threads(2)
    return check.load_clip(WEIGHTS / "emoji-clip")


def test_all_weights_together_are_at_most_25_megabytes_of_safetensors() -> None:
    assert export.megabytes(WEIGHTS / name for name in MODELS) <= 25
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".ckpt", ".pkl", ".png", ".jpg"}]


@pytest.mark.parametrize("name", MODELS)
def test_each_model_has_a_card_with_its_licence_and_limits(name: str) -> None:
    card = (WEIGHTS / name / "README.md").read_text(encoding="utf-8")
    assert "Miniature: nothing here says anything about the full-size systems." in card
    assert "Twemoji" in card and "CC BY 4.0" in card


def test_plain_diffusers_reads_the_baseline_and_draws(judge: check.Judge) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(WEIGHTS / "emoji-sd")
    assert pipeline.safety_checker is None
    assert type(pipeline.scheduler).__name__ == "PNDMScheduler"
    assert float(pipeline.vae.config.scaling_factor) != 0.18215
    assert _right(judge, _drawn(pipeline)) >= 12


@pytest.mark.parametrize("name", SYSTEMS)
def test_both_systems_draw_the_asked_scene_far_above_chance(name: str, judge: check.Judge) -> None:
    """Chance is 1 in 480 for object and background together; 12 of 24 by chance: probability below 1e-25."""
    pixels = _drawn(drawing.load(WEIGHTS / name))
    assert _right(judge, pixels) >= 12
    assert _right(judge, np.roll(pixels, 1, axis=0)) <= 4  # the twin: pictures of other scenes are not accepted


def test_the_challenger_has_the_published_layout() -> None:
    folder = WEIGHTS / "emoji-nas" / "flexible_unet"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["configurations"]["add_upsample_mid_block"] is True
    from safetensors import safe_open

    with safe_open(folder / "diffusion_pytorch_model.safetensors", framework="pt") as file:
        names = list(file.keys())
        assert file.get_tensor(names[0]).dtype == torch.float16
    assert any(name.startswith("mid_block.modules_list.0.") for name in names)


def test_prompts_in_any_script_are_drawn_without_an_error() -> None:
    pictures = drawing.draw(drawing.load(WEIGHTS / "emoji-sd"), ["नीली पृष्ठभूमि पर लाल सेब", "🍎" * 90, ""], steps=2)
    assert pictures.shape == (3, 64, 64, 3) and len(np.unique(pictures)) > 10


def test_reference_features_are_enough_for_a_distance() -> None:
    path = WEIGHTS / "references" / "emoji-renders.npz"
    assert path.stat().st_size < 3_000_000
    kept = np.load(path)
    assert kept["features"].shape == (1_008, 1_280) and np.isfinite(kept["features"]).all()
    assert str(kept["extractor"]).startswith("efficientnet-lite0:")


def _drawn(pipeline: Any) -> NDArray[np.uint8]:
    """24 scenes in 10 steps."""
    return drawing.draw(pipeline, [vocabulary.canonical(scene) for scene in ASKED], steps=10)


def _right(judge: check.Judge, pixels: NDArray[np.uint8]) -> int:
    """How many of the pictures show the asked object on the asked background."""
    both = check.judge_pictures(judge, ASKED, pixels)["both"]
    assert both.value is not None
    return round(both.value * both.n)


@pytest.mark.parametrize("name", SYSTEMS)
def test_evalkit_draws_the_very_picture_that_the_plain_pipeline_draws(name: str) -> None:
    """The same prompt, steps, guidance and seed: the loaders of evalkit add nothing and take nothing away."""
    torch.set_num_threads(1)
    catalog, sampling = Catalog(ROOT), Sampling(steps=6, guidance=2.0, guidance_rescale=0.7)
    card = catalog.model(name)
    loader = registry.get("models", card.loader)
    generator = loader.load(card, WEIGHTS / name, dtype=torch.float32, device="cpu")
    prompt, seed = "a red apple on a blue background", 11
    (ours,) = generator.generate([prompt], [seed], sampling)
    plain = drawing.draw(drawing.load(WEIGHTS / name), [prompt], 6, seed=seed)[0]
    difference = np.abs(ours.pixels.astype(int) - plain.astype(int))
    assert difference.max() <= 1  # rounding; another seed is a picture of its own:
    other = drawing.draw(drawing.load(WEIGHTS / name), [prompt], 6, seed=seed + 1)[0]
    assert np.abs(ours.pixels.astype(int) - other.astype(int)).max() > 20
