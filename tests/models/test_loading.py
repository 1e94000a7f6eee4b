"""Both loaders on tiny random checkpoints: they draw, they agree with a plain pipeline, and damage is told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from evalkit import models
from evalkit.errors import ModelError, UnavailableError
from evalkit.models import decidiffusion, diffusers
from evalkit.spec.catalog import ModelCard
from evalkit.spec.study import Sampling
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.conftest import ROOT

torch.set_num_threads(1)
LOADERS = {"diffusers": diffusers, "decidiffusion": decidiffusion}
SAMPLING = Sampling(steps=3, guidance=5.0, guidance_rescale=0.7)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "diffusers": write_stable_diffusion(folder / "sd"),
        "decidiffusion": write_decidiffusion(folder / "deci"),
        "checked": write_stable_diffusion(folder / "checked", safety_checker=True),
        "half": write_stable_diffusion(folder / "half", variant="fp16"),
    }


def card(**fields):
    return ModelCard(**({"name": "tiny", "title": "Tiny", "source": "x", "size": 64} | fields))


def load(loader, folder, **fields):
    return LOADERS[loader].load(card(**fields), folder, dtype=torch.float32, device="cpu")


def copied(written, name, tmp_path):
    return Path(shutil.copytree(written[name], tmp_path / name))


# ---------------------------------------------------------------------------------------- drawing


@pytest.mark.parametrize("loader", LOADERS)
def test_draws_what_a_plain_pipeline_draws(written, loader):
    """Text states one by one, against diffusers' own way of taking prompts; a grey level of rounding is allowed."""
    generator = load(loader, written[loader])
    prompts, seeds = ["a red apple", "two dogs", "a red apple"], [1, 2, 1 << 62]
    drawn = generator.generate(prompts, seeds, SAMPLING)
    plain = generator.pipeline(
        prompt=prompts,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        num_inference_steps=3,
        guidance_scale=5.0,
        guidance_rescale=0.7,
        width=64,
        height=64,
    ).images
    for image, expected in zip(drawn, plain, strict=True):
        assert image.pixels.shape == (64, 64, 3) and image.pixels.dtype == np.uint8
        assert np.abs(image.pixels.astype(int) - np.asarray(expected)).max() <= 1
        assert image.pixels.std() > 1
    assert generator.made == {"device": "cpu", "dtype": "float32", "threads": torch.get_num_threads()}


@pytest.mark.parametrize("loader", LOADERS)
def test_an_image_depends_on_its_own_prompt_and_seed_only(written, loader):
    generator = load(loader, written[loader])
    together = generator.generate(["a", "b", "c"], [1, 2, 3], SAMPLING)
    moved = generator.generate(["c", "x", "a"], [3, 9, 1], SAMPLING)
    assert np.array_equal(together[0].pixels, moved[2].pixels)
    assert np.array_equal(together[2].pixels, moved[0].pixels)
    again = load(loader, written[loader]).generate(["a", "b", "c"], [1, 2, 3], SAMPLING)
    assert all(np.array_equal(first.pixels, second.pixels) for first, second in zip(together, again, strict=True))


def test_the_twin_a_generator_for_the_whole_batch_would_couple_images(written):
    """The planted fault: one stream of random numbers for a batch."""
    pipeline = load("diffusers", written["diffusers"]).pipeline

    def second(first_prompts):
        drawn = pipeline(
            prompt=first_prompts, generator=torch.Generator().manual_seed(1), num_inference_steps=2, width=64, height=64
        )
        return np.asarray(drawn.images[-1])

    assert not np.array_equal(second(["a", "b"]), second(["b"]))


@pytest.mark.parametrize("text", ["", "x " * 5000, "<script>alert('x')</script>", "猫 \u0939\u093f"])
def test_any_text_is_drawn(written, text):
    assert load("diffusers", written["diffusers"]).generate([text], [1], SAMPLING)[0].pixels.std() > 1


@pytest.mark.parametrize(
    "change", [{"steps": 4}, {"guidance": 1.0}, {"guidance_rescale": 0.0}, {"negative_prompt": "dogs"}, {"width": 128}]
)
def test_every_setting_of_the_sampling_counts(written, change):
    generator = load("diffusers", written["diffusers"])
    before = generator.generate(["a"], [1], SAMPLING)[0].pixels
    after = generator.generate(["a"], [1], SAMPLING.model_copy(update=change))[0].pixels
    assert before.shape != after.shape or not np.array_equal(before, after)


def test_a_setting_that_the_pipeline_does_not_know_is_refused_unless_neutral(written):
    generator = load("diffusers", written["diffusers"])

    class Bare(type(generator.pipeline)):
        def __call__(
            self,
            prompt_embeds,
            negative_prompt_embeds,
            num_inference_steps,
            guidance_scale,
            width,
            height,
            generator,
            output_type,
        ):
            return super().__call__(
                prompt_embeds=prompt_embeds,
                negative_prompt_embeds=negative_prompt_embeds,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                width=width,
                height=height,
                generator=generator,
                output_type=output_type,
            )

    generator.pipeline.__class__ = Bare
    assert generator.generate(["a"], [1], Sampling(steps=2))[0].pixels.std() > 1
    with pytest.raises(ModelError, match="takes no guidance_rescale"):
        generator.generate(["a"], [1], SAMPLING)
    with pytest.raises(ModelError, match="takes no negative_prompt"):
        generator.generate(["a"], [1], Sampling(steps=2, negative_prompt="dogs"))


def test_sides_that_do_not_divide_are_told(written):
    with pytest.raises(ModelError, match=r"multiples of 4 .* multiples of 32"):
        load("decidiffusion", written["decidiffusion"]).generate(["a"], [1], Sampling(steps=1, width=80))


def test_the_placeholder_network_is_never_read(written, tmp_path):
    folder = copied(written, "decidiffusion", tmp_path)
    before = load("decidiffusion", folder).generate(["a"], [1], SAMPLING)[0].pixels
    shutil.rmtree(folder / "unet")
    assert np.array_equal(load("decidiffusion", folder).generate(["a"], [1], SAMPLING)[0].pixels, before)


def test_half_precision_files_with_a_suffix(written):
    generator = load("diffusers", written["half"], variant="fp16")
    assert generator.pipeline.unet.dtype == torch.float32
    assert generator.generate(["a"], [1], SAMPLING)[0].pixels.std() > 1
    with pytest.raises(ModelError, match="no file named"):
        load("diffusers", written["half"])


# ---------------------------------------------------------------------------------------- safety checker


def test_the_safety_checker_is_on_where_there_is_one_and_its_objections_are_kept(written):
    generator = load("diffusers", written["checked"], safety_checker=True)
    on, off = (
        generator.generate(["a", "b"], [1, 2], SAMPLING.model_copy(update={"safety_checker": wish}))
        for wish in (True, False)
    )
    assert [image.flagged for image in on] == [True, True]
    assert all((image.pixels == 0).all() for image in on)
    assert [image.flagged for image in off] == [False, False]
    assert all(image.pixels.std() > 1 for image in off)
    assert generator.generate(["a"], [1], SAMPLING)[0].flagged  # on again


def test_a_card_that_promises_a_safety_checker_must_have_it(written):
    with pytest.raises(ModelError, match="brings no safety checker"):
        load("diffusers", written["diffusers"], safety_checker=True)


# ---------------------------------------------------------------------------------------- damage

NETWORKS = {
    "diffusers": ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"],
    "decidiffusion": ["flexible_unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"],
}
FILES = [(loader, name) for loader, names in NETWORKS.items() for name in names]


@pytest.mark.parametrize(("loader", "name"), FILES)
@pytest.mark.parametrize("damage", ["missing weight", "other shape", "truncated", "pickled", "gone"])
def test_damaged_weights_are_an_error_that_names_the_folder(written, tmp_path, loader, name, damage):
    folder = copied(written, loader, tmp_path)
    file = folder / f"{name}.safetensors"
    if damage in ("missing weight", "other shape"):
        tensors = load_file(file)
        key = next(key for key in reversed(list(tensors)) if tensors[key].dim() > 1)
        tensor = tensors.pop(key)
        if damage == "other shape":
            tensors[key] = torch.zeros(tensor.shape[0] + 1, *tensor.shape[1:])
        save_file(tensors, file, metadata={"format": "pt"})
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-500])
    elif damage == "pickled":
        torch.save({}, file.with_suffix(".bin"))
        file.unlink()
    else:
        file.unlink()
    with pytest.raises(ModelError) as caught:
        load(loader, folder)
    assert name.split("/")[0] in str(caught.value)
    assert ("pickled" in str(caught.value)) == (damage == "pickled")


@pytest.mark.parametrize("part", ["tokenizer", "scheduler", "vae", "text_encoder"])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_missing_part_is_an_error(written, tmp_path, loader, part):
    folder = copied(written, loader, tmp_path)
    shutil.rmtree(folder / part)
    with pytest.raises(ModelError):
        load(loader, folder)


def test_networks_of_another_class_are_an_error(written, tmp_path):
    folder = copied(written, "decidiffusion", tmp_path)
    shutil.rmtree(folder / "vae")
    shutil.copytree(folder / "unet", folder / "vae")
    with pytest.raises(ModelError, match="vae"):
        load("decidiffusion", folder)
    shutil.rmtree(folder / "flexible_unet")
    shutil.copytree(folder / "unet", folder / "flexible_unet")
    with pytest.raises(ModelError, match="not a U-Net-NAS"):
        load("decidiffusion", folder)


def test_each_loader_refuses_the_other_ones_checkpoint_with_a_hint(written):
    with pytest.raises(ModelError, match="loader: decidiffusion"):
        load("diffusers", written["decidiffusion"])
    with pytest.raises(ModelError, match="flexible_unet"):
        load("decidiffusion", written["diffusers"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unet": ["my_module", "Net"]}, "custom code is never run"),
        ({"unet": ["diffusers", "os"]}, "custom code is never run"),
        ({"_class_name": ["pipeline", "Mine"]}, "no pipeline"),
        ({"_class_name": "AutoencoderKL"}, "no pipeline"),
    ],
)
def test_custom_code_is_never_run(written, tmp_path, change, message):
    folder = copied(written, "diffusers", tmp_path)
    index = json.loads((folder / "model_index.json").read_text()) | change
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "my_module.py").write_text("raise SystemExit('ran')")
    (folder / "pipeline.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match=message):
        load("diffusers", folder)


def test_a_scheduler_other_than_ddim_is_refused_for_decidiffusion(written, tmp_path):
    folder = copied(written, "decidiffusion", tmp_path)
    file = folder / "scheduler/scheduler_config.json"
    file.write_text(file.read_text().replace("DDIMScheduler", "PNDMScheduler"))
    with pytest.raises(ModelError, match="PNDMScheduler"):
        load("decidiffusion", folder)


# ---------------------------------------------------------------------------------------- by card


def test_models_load_by_card(written, settings):
    settings = settings.model_copy(update={"device": "cpu", "threads": 1})
    for loader in LOADERS:
        generator = models.load(card(loader=loader, source=str(written[loader])), settings)
        assert generator.generate(["a"], [1], SAMPLING)[0].pixels.shape == (64, 64, 3)
    assert models.load(card(loader="procedural"), settings).generate(["a"], [1], SAMPLING)[0].pixels.shape == (
        64,
        64,
        3,
    )
    with pytest.raises(ModelError, match="evalkit import"):
        models.load(card(loader="folder"), settings).generate(["a"], [1], SAMPLING)


def test_what_is_not_there_is_told(settings):
    with pytest.raises(UnavailableError, match="not pinned"):
        models.load(card(revision="unpinned"), settings)
    with pytest.raises(ModelError, match=r"no model_index\.json"):
        models.load(card(source="nowhere"), settings.model_copy(update={"device": "cpu"}))
    with pytest.raises(ModelError, match="no device 'tpu' here"):
        models.load(card(), settings.model_copy(update={"device": "tpu"}))


def test_none_of_it_needs_torch_to_be_imported(tmp_path):
    for name in ("torch", "diffusers", "transformers", "safetensors", "huggingface_hub"):
        (tmp_path / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")
    code = f"""
import importlib, pkgutil, sys
sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]
import evalkit.models, evalkit.engines
for package in (evalkit.models, evalkit.engines):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{{package.__name__}}.{{module.name}}")
for stage in ("generate", "import_images", "fetch"):
    importlib.import_module(f"evalkit.stages.{{stage}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stock_pipeline_reads_the_files_that_the_tests_write(written):
    """The writer of these tests' checkpoints keeps to the layout: diffusers itself opens it."""
    assert StableDiffusionPipeline.from_pretrained(written["diffusers"]).unet is not None
