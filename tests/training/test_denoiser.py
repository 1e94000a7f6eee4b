"""The denoisers' training: weights, times and phases are what the papers and the card say."""

import numpy as np
import pytest
import torch

from evalkit.training import autoencoder, clip, denoiser, export, material, scenes, tokenizer
from evalkit.training.scenes import Graphics


def test_the_schedule_ends_in_pure_noise_and_trails() -> None:
    scheduler = denoiser.scheduler()
    assert float(scheduler.alphas_cumprod[-1]) == 0.0
    scheduler.set_timesteps(30)
    assert scheduler.timesteps[:3].tolist() == [999, 966, 932] and scheduler.timesteps[-1] == 32


def test_the_baseline_samples_as_stable_diffusion_does_on_the_betas_of_training() -> None:
    scheduler, trained = denoiser.baseline_scheduler(), denoiser.scheduler()
    assert torch.allclose(scheduler.alphas_cumprod, trained.alphas_cumprod, atol=3e-5)
    scheduler.set_timesteps(50)
    assert len(scheduler.timesteps) == 51 and scheduler.timesteps[:4].tolist() == [981, 961, 961, 941]


def test_min_snr_weight_is_the_capped_ratio_of_signal_to_noise() -> None:
    alpha = torch.linspace(0, 0.999, 50, dtype=torch.float64)
    ratio = alpha / (1 - alpha)
    expected = torch.minimum(ratio + 1, torch.tensor(6.0)) / (ratio + 1)
    assert torch.allclose(denoiser.min_snr_weight(alpha), expected)
    assert denoiser.min_snr_weight(torch.zeros(1)).item() == 1  # the step of pure noise learns too


def test_times_of_a_batch_cover_the_schedule_evenly() -> None:
    times = denoiser.stratified_times(50, 1000, torch.Generator().manual_seed(1)).sort().values
    assert times.min() >= 0 and times.max() <= 999
    assert times.diff().max() <= 21


def test_four_phases_of_which_the_last_two_average() -> None:
    plan = denoiser.stages(seed=0, steps=1000)
    assert [stage.phase.name for stage in plan] == ["phase-1", "phase-2", "phase-3", "phase-4"]
    assert [stage.phase.ema is not None for stage in plan] == [False, False, True, True]
    assert sum(stage.phase.steps for stage in plan) == 1000 and plan[-1].best < 1
    assert len({stage.phase.seed for stage in plan}) == 4


def test_the_challenger_is_smaller_and_takes_the_same_inputs() -> None:
    baseline, challenger = denoiser.build_sd(1), denoiser.build_nas(1)
    sizes = [sum(weight.numel() for weight in net.parameters()) for net in (baseline, challenger)]
    assert sizes[1] < 0.7 * sizes[0]
    latents, states = torch.randn(2, 8, 8, 8), torch.randn(2, 77, 128)
    for network in (baseline, challenger):
        assert network(latents, 3, encoder_hidden_states=states).sample.shape == latents.shape


@pytest.fixture(scope="module")
def small(sprites: Graphics) -> material.Material:
    """100 pictures from an untrained autoencoder; captions share 20 rows of random text states, and one is empty."""
    torch.set_num_threads(1)
    kept = material.encode(sprites, autoencoder.build().eval(), 100)
    states = torch.randn(21, 77, 128, generator=torch.Generator().manual_seed(0)).half()
    rows = {caption: number % 20 for number, caption in enumerate(material.all_captions())} | {"": 20}
    return material.Material(kept["latents"], kept["errors"], material.scenes_of(kept), states, rows)


def test_latents_are_scaled_to_unit_variance_and_every_caption_of_the_stream_is_known(
    small: material.Material, sprites: Graphics
) -> None:
    assert small.latents.shape == (100, 8, 8, 8)
    assert float((small.latents.float() * small.scaling_factor).std()) == pytest.approx(1, abs=1e-3)
    captions = list(material.all_captions())
    assert len(captions) == len(set(captions))
    assert set(scenes.training_batch(sprites, 500, 7, 0).captions) <= set(captions)


def test_text_states_are_those_that_the_pipeline_computes() -> None:
    words = tokenizer.build()
    network = clip.build(words).eval()
    states = material.text_states(network, words, ["a red dog", ""])
    tokens = words("a red dog", padding="max_length", return_tensors="pt")
    alone = export.text_encoder(network)(tokens.input_ids).last_hidden_state
    assert states.shape == (2, 77, 128) and torch.allclose(states[:1].float(), alone, atol=5e-3)


def test_a_step_is_the_same_for_the_same_seed_and_drops_one_caption_in_ten(small: material.Material) -> None:
    stage = denoiser.stages(seed=0, steps=1000)[0]
    batches, network = denoiser.Batches(small, stage), denoiser.build_nas(1)
    assert batches.loss(network, 4).item() == batches.loss(network, 4).item() != batches.loss(network, 5).item()
    empty = small.states[small.rows[""]].float()
    shares = [float((batches._draw(step)[1] == empty).all(dim=(1, 2)).float().mean()) for step in range(30)]
    assert 0.06 < np.mean(shares) < 0.14


def test_the_last_phase_takes_the_pictures_that_the_autoencoder_draws_best(small: material.Material) -> None:
    chosen = denoiser.Batches(small, denoiser.stages(seed=0, steps=1000)[-1]).pool
    errors = small.errors.numpy()
    assert len(chosen) == 50 and errors[chosen].max() <= np.median(errors)
