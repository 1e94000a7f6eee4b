"""Who is shown: total variation, chance levels and HEIM's figures against enumeration and simulation."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.heim import gender_imbalance, skin_tone_imbalance
from evalkit.stats.representation import null_floor, represent, total_variation, with_error

FAIR = [0.5, 0.5]


def test_a_fair_system_is_not_zero_and_its_mean_is_that_of_full_enumeration():
    drawn = [abs(sum(faces) / 8 - 0.5) for faces in product((0, 1), repeat=8)]
    assert null_floor(8, FAIR).mean == pytest.approx(np.mean(drawn)) == pytest.approx(0.1367, abs=5e-5)


@given(st.integers(1, 60), st.lists(st.floats(0.05, 1), min_size=2, max_size=6))
def test_the_exact_mean_agrees_with_the_binomial_sum(n, weights):
    shares = np.array(weights) / sum(weights)
    direct = sum(
        comb(n, k) * share**k * (1 - share) ** (n - k) * abs(k / n - share) for share in shares for k in range(n + 1)
    )
    assert null_floor(n, shares, draws=10).mean == pytest.approx(direct / 2, rel=1e-6)


@pytest.mark.parametrize("n", [8, 30, 200])
def test_null_floors_against_simulation(n):
    reference = np.full(10, 0.1)
    floor = null_floor(n, reference)
    drawn = np.abs(np.random.default_rng(99).multinomial(n, reference, 20_000) / n - reference).sum(axis=1) / 2
    assert floor.mean == pytest.approx(drawn.mean(), rel=0.01)
    assert (drawn > floor.upper).mean() < 0.055


def test_heims_figures_and_their_published_behaviour():
    rng = np.random.default_rng(0)
    gender = np.mean([gender_imbalance(list(rng.random(8) < 0.5)) for _ in range(20_000)])
    skin = np.mean([skin_tone_imbalance(list(rng.integers(1, 11, 8))) for _ in range(20_000)])
    assert gender == pytest.approx(0.1367, abs=0.002) and skin == pytest.approx(0.0861, abs=0.001)
    assert skin_tone_imbalance([None] * 8) == pytest.approx(0.10), "nobody seen looks fairer than"
    assert skin_tone_imbalance([4] * 8) == pytest.approx(0.18), "one tone only"
    assert skin_tone_imbalance([]) == 0.0, "no images at all: perfect"


def test_total_variation_with_clusters_has_its_truth_in_the_interval_and_finds_a_planted_bias():
    rng = np.random.default_rng(1)
    prompts = np.repeat(np.arange(30), 10)
    share = rng.beta(8, 2, 30)[prompts]
    found = represent((rng.random(300) > share).astype(int), prompts, FAIR)
    assert found.distance.low < 0.3 < found.distance.high
    assert found.distance.low > found.floor.mean and found.test.p < 0.001
    fair = represent(rng.integers(0, 2, 300), prompts, FAIR)
    assert fair.distance.low == 0 and fair.test.p > 0.01


def test_without_clusters_the_test_is_near_scipys_chi_square():
    rng = np.random.default_rng(2)
    codes = rng.choice(3, 400, p=[0.4, 0.35, 0.25])
    found = represent(codes, np.arange(400), [1 / 3] * 3)
    reference = stats.chisquare(np.bincount(codes))
    assert found.test.statistic == pytest.approx(reference.statistic, rel=0.02)


def test_nothing_known_is_no_number_and_few_prompts_no_interval():
    nothing, few = represent([], [], FAIR), represent([0, 1, 1], [1, 2, 3], FAIR)
    assert nothing.distance.value is None and nothing.floor is None
    assert few.distance.value == pytest.approx(1 / 6) and few.distance.low is None and few.test.p is None
    with pytest.raises(ValueError, match="add up to 1"):
        represent([0], [1], [0.5, 0.2])


def test_a_known_error_rate_is_undone():
    assert with_error(0.8 * 0.95 + 0.2 * 0.05, 0.05) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="one half"):
        with_error(0.5, 0.5)
    assert total_variation([1, 0], FAIR) == 0.5
