"""generate when memory is short, with options that are fixed when a run begins, and what the record says of both."""

import json

import pytest
import torch

from evalkit import models
from evalkit.errors import ModelError, RunError
from evalkit.models import _memory, _pipeline, decidiffusion, diffusers
from evalkit.sections._drawing import drawing_notes
from evalkit.spec.catalog import ModelCard
from evalkit.spec.plan import Part
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.store import drawing
from evalkit.store.run import Run
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.stages.drawing import procedural, stored, write_study


@pytest.fixture
def networks(checkout, settings):
    """A study of two tiny networks, and settings of one thread."""
    write_stable_diffusion(checkout / "sd")
    write_decidiffusion(checkout / "deci")
    cards = {"sd": {"source": "sd"}, "deci": {"source": "deci", "loader": "decidiffusion", "size_multiple": 32}}
    write_study(checkout, cards=cards)
    return resolve("trial", checkout), settings.model_copy(update={"threads": 1, "device": "cpu"})


def run_of(resolved, settings):
    return Run(settings.runs_dir / resolved.run_name)


def table(resolved, settings):
    return run_of(resolved, settings).read_table("images.parquet", "images")


def scarce(monkeypatch, most, error=None):
    """From now on, the decoder of every pipeline has room for `most` images, of which the network sees two each."""
    seen = []
    from diffusers import AutoencoderKL

    decode = AutoencoderKL.decode

    def short(self, latents, *args, **wishes):
        seen.append((len(latents), self.use_slicing))
        if len(latents) > most:
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return decode(self, latents, *args, **wishes)

    monkeypatch.setattr(AutoencoderKL, "decode", short)
    return seen


ERRORS = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
}


@pytest.mark.parametrize("device", ERRORS)
def test_out_of_memory_rewrites_the_plan_and_loses_nothing(networks, monkeypatch, device):
    """What was drawn stays, the rest takes half the batch, and each image says its own."""
    resolved, settings = networks
    generate(resolved, settings, part=Part(systems=("sd",), limit=4), batch_size=4)
    before = stored(settings.images_dir)
    seen = scarce(monkeypatch, 2, ERRORS[device])
    outcome = generate(resolved, settings)
    images = table(resolved, settings)
    assert len(images) == 14
    assert list(images.loc[images.system == "sd", "batch_size"]) == [4, 4, 4, 4, 2, 2, 2]
    assert set(images.loc[images.system == "deci", "batch_size"]) == {2}
    assert {name: stored(settings.images_dir)[name] for name in before} == before
    assert [size for size, _ in seen if size > 2] == [4]  # tried once, not once per batch
    how = drawing.read(run_of(resolved, settings))
    assert (how.batch_size, how.vae_slicing) == (2, True)
    assert any("memory ran out; batch size 4 to 2 at sd" in text for text in outcome.warnings)
    [stage] = [s for s in run_of(resolved, settings).read_json("manifest.json")["stages"] if s["out_of_memory"]]
    assert stage["out_of_memory"] == [{"system": "sd", "from": 4, "to": 2}]
    [note] = drawing_notes(run_of(resolved, settings))
    assert note.startswith("Memory ran out while sd drew") and "2 images at once instead of 4" in note


def test_after_out_of_memory_the_same_command_gives_the_same_bytes(networks, monkeypatch, tmp_path):
    """A run that fell from 4 to 2 against one that had 2 from the start, for the images drawn at 2."""
    resolved, settings = networks
    scarce(monkeypatch, 2)
    generate(resolved, settings, batch_size=4)
    other = settings.model_copy(update={"data": tmp_path / "other"})
    how = drawing.Drawing(2, "cpu", vae_slicing=True)
    drawing.write(run_of(resolved, other), how)
    generate(resolved, other)
    assert stored(settings.images_dir) == stored(other.images_dir)
    assert generate(resolved, settings).said.startswith("nothing to draw")


def test_a_single_image_that_does_not_fit_is_an_error_that_names_the_system(networks, monkeypatch):
    resolved, settings = networks
    scarce(monkeypatch, 0)
    with pytest.raises(ModelError, match=r"out of memory with 1 images at once .* sd .* smaller width") as caught:
        generate(resolved, settings, batch_size=2)
    assert "Traceback" not in str(caught.value)
    assert table(resolved, settings).empty


def test_another_error_of_the_device_is_not_taken_for_memory(networks, monkeypatch):
    """The twin: a fault that has nothing to do with memory ends the run, and the plan stays."""
    resolved, settings = networks
    scarce(monkeypatch, 2, RuntimeError("an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal"):
        generate(resolved, settings, batch_size=4)
    assert drawing.read(run_of(resolved, settings)).batch_size == 4


def test_of_two_systems_one_is_in_memory_at_a_time(networks, monkeypatch):
    """Two full-size systems would need twice the memory."""
    import gc
    import weakref

    resolved, settings = networks
    alive, load = [], models.load

    def watched(*args, **wishes):
        gc.collect()
        assert not [one for one in alive if one() is not None]
        generator = load(*args, **wishes)
        alive.append(weakref.ref(generator.pipeline.unet))
        return generator

    monkeypatch.setattr(models, "load", watched)
    generate(resolved, settings, part=Part(limit=1), batch_size=2)
    assert len(alive) == 2


# ---------------------------------------------------------------------------------------- the plan


@pytest.mark.parametrize(
    ("free", "device", "weights", "expected"),
    [
        (80e9, "cuda", 5.2e9, (8, False)),
        (6e9, "cuda", 2.6e9, (8, True)),
        (4e9, "cuda", 2.6e9, (1, True)),
        (1e9, "cuda", 2.6e9, (1, True)),
        (20e9, "cpu", 5.2e9, (2, False)),
        (20e9, "cpu", 30e6, (16, False)),
    ],
)
def test_the_batch_is_chosen_by_free_memory(monkeypatch, free, device, weights, expected):
    card = ModelCard(name="x", title="x", source="x")
    monkeypatch.setattr(_memory, "free_bytes", lambda device: int(free))
    pixels = 64 * 64 if weights < 1e9 else 512 * 512
    fit = _memory.fit_all([(int(weights), pixels, card)], device)
    assert (fit.batch_size, fit.vae_slicing) == expected


def test_the_plan_keeps_the_batch_that_it_began_with(networks, monkeypatch):
    resolved, settings = networks
    assert generate(resolved, settings, dry_run=True).facts["batch_size"] == 16
    generate(resolved, settings, part=Part(limit=1))
    monkeypatch.setattr(_memory, "free_bytes", lambda device: 1)
    assert generate(resolved, settings, dry_run=True).facts["batch_size"] == 16
    assert set(table(resolved, settings)["batch_size"]) == {16}


def test_free_memory_of_a_container_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert _memory._of_control_group(tmp_path) == 700
    (tmp_path / "memory.max").write_text("max\n")
    assert _memory._of_control_group(tmp_path) > 1 << 60
    assert 1e6 < _memory.free_bytes("cpu") < 1 << 60


def test_weights_are_counted_from_the_files_that_are_read(checkout):
    folder = write_decidiffusion(checkout / "deci")
    card = ModelCard(name="x", title="x", source="x", loader="decidiffusion")
    generator = decidiffusion.load(card, folder, dtype=torch.float32, device="cpu")
    parts = [part for part in generator.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert _memory.weight_bytes(card, folder, "cpu") == sum(p.numel() * 4 for part in parts for p in part.parameters())


# ---------------------------------------------------------------------------------------- options


def test_without_the_safety_checker_is_explicit_and_recorded(checkout, settings):
    """A checker that objects to everything: on, all images are flagged; off, none, under other keys."""
    write_stable_diffusion(checkout / "sd", safety_checker=True)
    write_study(checkout, cards={"sd": {"source": "sd", "safety_checker": True}})
    resolved = resolve("trial", checkout)
    settings = settings.model_copy(update={"threads": 1, "device": "cpu"})
    on = generate(resolved, settings, part=Part(limit=2), batch_size=2)
    assert on.facts["flagged"] == 2
    assert on.facts["flagged_images"] == ["sd: prompt w-1 (en), image 1", "sd: prompt w-2 (en), image 1"]
    assert any("flagged by a safety checker: raters are not shown them" in text for text in on.warnings)
    with pytest.raises(RunError, match="begun without --no-safety-checker"):
        generate(resolved, settings, safety_checker=False)
    other = settings.model_copy(update={"data": checkout / "other"})
    off = generate(resolved, other, part=Part(limit=2), batch_size=2, safety_checker=False)
    assert off.facts["flagged"] == 0 and off.facts["safety_checker"] is False
    assert not set(table(resolved, settings)["key"]) & set(table(resolved, other)["key"])
    generate(resolved, other, part=Part(limit=3))  # goes on as it was begun
    assert not table(resolved, other)["flagged"].any()
    stage = run_of(resolved, other).read_json("manifest.json")["stages"][-1]
    assert stage["safety_checker"] is False
    assert list(drawing_notes(run_of(resolved, other))) == [
        "Drawn without the checkpoints' own safety checkers (--no-safety-checker)."
    ]
    assert list(drawing_notes(run_of(resolved, settings))) == []


def test_the_report_names_what_raters_were_not_shown(tmp_path):
    run = Run(tmp_path)
    named = [f"sd: prompt w-{number} (en), image 1" for number in range(7)]
    run.write_json("manifest.json", {"stages": [{"stage": "vote open", "flagged_images": named, "left_out": 14}]})
    [note] = drawing_notes(run)
    assert "not shown to raters: 7 images (sd: prompt w-0 (en), image 1;" in note
    assert "and 2 more" in note and "14 images were left out" in note


def test_options_change_nothing_for_systems_without_networks_but_their_keys(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings, safety_checker=False)
    assert len(table(resolved, settings)) == 14
    assert json.loads((run_of(resolved, settings).path("generate.json")).read_text())["safety_checker"] is False


@pytest.mark.slow
def test_compiled_networks_draw_the_same_pictures_under_other_keys(networks, tmp_path):
    resolved, settings = networks
    generate(resolved, settings, part=Part(limit=2), batch_size=2)
    other = settings.model_copy(update={"data": tmp_path / "other"})
    generate(resolved, other, part=Part(limit=2), batch_size=2, compiled=True)
    plain, compiled = table(resolved, settings), table(resolved, other)
    assert not set(plain["key"]) & set(compiled["key"])
    from evalkit.store.images import read_facts, read_pixels

    for one, two in zip(plain["key"], compiled["key"], strict=True):
        pixels = [read_pixels(place.images_dir, key).astype(int) for place, key in ((settings, one), (other, two))]
        assert abs(pixels[0] - pixels[1]).max() <= 2
    assert read_facts(other.images_dir, compiled["key"][0]).made["compiled"] is True


def test_convolutions_are_channels_last_and_attention_is_torchs_own(checkout):
    folder = write_stable_diffusion(checkout / "sd")
    card = ModelCard(name="x", title="x", source="x")
    pipeline = diffusers.load(card, folder, dtype=torch.float32, device="cpu").pipeline
    assert pipeline.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert {type(found).__name__ for found in pipeline.unet.attn_processors.values()} == {"AttnProcessor2_0"}
    assert pipeline.text_encoder.config._attn_implementation == "sdpa"


def test_pixels_are_rounded_as_diffusers_does_it():
    from diffusers.image_processor import VaeImageProcessor

    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    expected = VaeImageProcessor.numpy_to_pil(VaeImageProcessor.pt_to_numpy(images))
    for own, other in zip(_pipeline.as_pixels(images), expected, strict=True):
        assert own.tobytes() == other.tobytes() and own.shape == (16, 24, 3)
