"""SDXL, PixArt-alpha, SD 3.5 and FLUX.1 through the loader, from tiny random checkpoints in their real layouts."""

import inspect

import numpy as np
import pytest
import torch
import yaml
from diffusers import FluxTransformer2DModel, PixArtTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel

from evalkit.errors import ModelError
from evalkit.models import diffusers
from evalkit.models._text import GIVEN
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog, ModelCard
from evalkit.spec.study import Sampling
from evalkit.stages.ls import ls
from tests.conftest import ROOT
from tests.other_checkpoints import write_flux, write_pixart, write_sd3, write_sdxl

torch.set_num_threads(1)
KINDS = {
    "sdxl": (write_sdxl, Sampling(steps=2, guidance=5.0)),
    "sdxl-turbo": (lambda folder: write_sdxl(folder, turbo=True), Sampling(steps=1, guidance=0.0)),
    "pixart-alpha": (write_pixart, Sampling(steps=2, guidance=4.5)),
    "sd35-medium": (write_sd3, Sampling(steps=2, guidance=4.5)),
    "flux1-schnell": (write_flux, Sampling(steps=2, guidance=0.0)),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory):
    """Name, generator and sampling of each pipeline."""
    write, sampling = KINDS[request.param]
    folder = write(tmp_path_factory.mktemp(request.param))
    own = Catalog(ROOT).model(request.param)
    card = ModelCard(name=own.name, title=own.title, source="x", variant=own.variant, size=64)
    return request.param, diffusers.load(card, folder, dtype=torch.float32, device="cpu"), sampling


def test_draws_what_a_plain_call_draws(kind):
    """Text states encoded one by one, against the pipeline's own way of taking prompts."""
    name, generator, sampling = kind
    prompts, seeds = ["a red apple", "two dogs", "a red apple"], [1, 2, 3]
    drawn = generator.generate(prompts, seeds, sampling)
    wishes = {"clean_caption": False, "use_resolution_binning": False} if name == "pixart-alpha" else {}
    wishes |= {"max_sequence_length": 256} if name == "flux1-schnell" else {}
    plain = generator.pipeline(
        prompt=prompts,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance,
        width=64,
        height=64,
        **wishes,
    ).images
    for image, expected in zip(drawn, plain, strict=True):
        assert image.pixels.shape == (64, 64, 3)
        assert np.abs(image.pixels.astype(int) - np.asarray(expected)).max() <= 1
        assert image.pixels.std() > 1
    assert not np.array_equal(drawn[0].pixels, drawn[2].pixels)  # one prompt, two seeds


def test_a_negative_prompt_counts_where_there_is_guidance(kind):
    name, generator, sampling = kind
    before = generator.generate(["a"], [1], sampling)[0].pixels
    negative = sampling.model_copy(update={"negative_prompt": "dogs"})
    if name == "flux1-schnell":
        with pytest.raises(ModelError, match="takes no negative_prompt"):
            generator.generate(["a"], [1], negative)
        return
    after = generator.generate(["a"], [1], negative)[0].pixels
    assert np.array_equal(before, after) == (sampling.guidance <= 1)


def test_each_prompt_is_encoded_once_and_the_negative_one_once_a_run(kind, monkeypatch):
    _, generator, sampling = kind
    calls, encode = [], generator.pipeline.encode_prompt

    def counting(*args, **wishes):
        calls.append((wishes.get("prompt"), wishes.get("do_classifier_free_guidance", False)))
        return encode(*args, **wishes)

    monkeypatch.setattr(generator.pipeline, "encode_prompt", counting)
    generator._text.__init__(generator.pipeline)
    # The pipeline's own call asks encode_prompt again, with the states that it was given: those encode nothing.
    generator.generate(["a", "b", "a"], [1, 2, 3], sampling)
    generator.generate(["b", "c", "c"], [4, 5, 6], sampling)
    encoded = [call for call in calls if isinstance(call[0], str)]
    guided = [("", True)] if sampling.guidance > 1 else []
    assert sorted(encoded) == sorted([("a", False), ("b", False), ("c", False), *guided])


def test_names_of_states_are_those_of_the_pipelines_calls():
    import diffusers as library

    for name, states in GIVEN.items():
        assert set(states) <= set(inspect.signature(getattr(library, name).__call__).parameters)


def test_the_catalogue_says_what_was_never_run_and_pins_nothing_without_a_source():
    rows = {row["name"]: row for row in ls("models", Settings(root=ROOT, _env_file=None)).facts["models"]}
    for name in [*KINDS, "sd15", "decidiffusion-v1-0", "decidiffusion-v2-0"]:
        written = yaml.safe_load((ROOT / f"data/models/{name}.yaml").read_text())
        assert rows[name]["remark"] == "untested here" and written["untested"]
        assert written["revision"] == "unpinned" or written["revision_source"]


def test_parameters_on_the_cards_are_those_of_the_published_configurations():
    with torch.device("meta"):
        networks = {
            "sdxl": UNet2DConditionModel(
                block_out_channels=(320, 640, 1280),
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=[1, 2, 10],
                attention_head_dim=[5, 10, 20],
                cross_attention_dim=2048,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816,
            ),
            "sd15": UNet2DConditionModel(cross_attention_dim=768),
            "pixart-alpha": PixArtTransformer2DModel(sample_size=64),
            "sd35-medium": SD3Transformer2DModel(
                num_layers=24,
                num_attention_heads=24,
                caption_projection_dim=1536,
                pos_embed_max_size=384,
                dual_attention_layers=tuple(range(13)),
                qk_norm="rms_norm",
            ),
            "flux1-schnell": FluxTransformer2DModel(guidance_embeds=False),
        }
    for name, network in networks.items():
        assert Catalog(ROOT).model(name).parameters == sum(p.numel() for p in network.parameters()), name
