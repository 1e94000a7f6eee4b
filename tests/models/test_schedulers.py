"""The schedulers that the loaders read from the published files, against the published numbers."""

import json

import pytest
from diffusers import DDIMScheduler, PNDMScheduler

from evalkit.models._components import load_part
from tests.full_size import DECI_SCHEDULER, PNDM_SCHEDULER

THIRTY = "999 966 932 899 866 832 799 766 732 699 666 632 599 566 532 499 466 432 399 366 332 299 266 232 199 166 132"
CUMULATED = {
    0: 0.99995887, 32: 0.99607813, 100: 0.97157443, 250: 0.84588122, 500: 0.49226505, 750: 0.1431556,
    900: 0.023603315, 966: 0.0026377961, 998: 2.2778e-06, 999: 0.0,
}  # fmt: skip


def read(kind, config, folder):
    (folder / "scheduler_config.json").write_text(json.dumps(config))
    return load_part(kind, folder)


def test_decidiffusions_is_ddim_with_zero_terminal_snr(tmp_path):
    """Cosine betas rescaled so that the last step is pure noise; v-prediction; trailing steps."""
    scheduler = read(DDIMScheduler, DECI_SCHEDULER, tmp_path)
    for step, expected in CUMULATED.items():
        assert float(scheduler.alphas_cumprod[step]) == pytest.approx(expected, rel=1e-4, abs=1e-12)
    assert float(scheduler.final_alpha_cumprod) == float(scheduler.alphas_cumprod[0])
    assert float(scheduler.betas[999]) == 1
    scheduler.set_timesteps(30)
    assert scheduler.timesteps.tolist() == [*map(int, THIRTY.split()), 99, 66, 32]
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(999, 0, -20))
    assert scheduler.config.prediction_type == "v_prediction" and not scheduler.config.clip_sample


def test_stable_diffusions_is_pndm_with_one_more_call_than_steps(tmp_path):
    scheduler = read(PNDMScheduler, PNDM_SCHEDULER, tmp_path)
    scheduler.set_timesteps(50)
    steps = scheduler.timesteps.tolist()
    assert len(steps) == 51 and steps[:4] == [981, 961, 961, 941] and steps[-2:] == [21, 1]
