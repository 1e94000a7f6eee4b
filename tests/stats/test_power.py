"""Power of the sign test and of designs, against enumeration, published figures and the headline run one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.clustered import clustered_mean
from evalkit.stats.planning import (
    Design,
    Effects,
    design_power,
    headline_rows,
    simulate_votes,
    smallest_detectable_preference,
)
from evalkit.stats.power import decisive_votes_needed, sign_test_power, smallest_detectable_share, votes_needed


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_published_study_had_power_of_a_fifth() -> None:
    assert sign_test_power(39 / 68, 68) == pytest.approx(0.196, abs=5e-4)
    assert decisive_votes_needed(39 / 68) == 382
    assert votes_needed(382, 68 / 95) == 534
    assert smallest_detectable_share(68) == pytest.approx(0.67, abs=5e-3)


@settings(max_examples=25)
@given(share=st.floats(0.05, 0.95), votes=st.integers(0, 40))
def test_power_is_the_sum_over_every_outcome_that_rejects(share: float, votes: int) -> None:
    rejected = [k for k in range(votes + 1) if votes and stats.binomtest(k, votes).pvalue <= 0.05]
    assert sign_test_power(share, votes) == pytest.approx(sum(stats.binom.pmf(rejected, votes, share)), abs=1e-12)


def test_the_number_holds_for_every_larger_number_and_not_for_the_one_before() -> None:
    needed = decisive_votes_needed(0.65)
    assert (sign_test_power(0.65, np.arange(needed, needed + 2000)) >= 0.8).all()
    assert sign_test_power(0.65, needed - 1) < 0.8
    first = int(np.flatnonzero(sign_test_power(0.65, np.arange(needed)) >= 0.8)[0])
    assert first < needed  # the saw-tooth: the first number that reaches 80 % is too small


def test_what_cannot_be_detected_is_said() -> None:
    assert smallest_detectable_share(5) is None
    with pytest.raises(ValueError, match="differ from one half"):
        decisive_votes_needed(0.5)
    with pytest.raises(ValueError, match="above 0"):
        votes_needed(100, 0.0)


@settings(max_examples=20)
@given(
    prompts=st.integers(8, 20), raters=st.integers(3, 9), per_pair=st.integers(1, 3), images=st.integers(1, 3),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_layout_gives_each_pair_distinct_raters_and_each_rater_as_many(
    prompts: int, raters: int, per_pair: int, images: int, seed: int
) -> None:
    study = simulate_votes(Design(prompts, raters, per_pair, images), Effects(), 1, np.random.default_rng(seed))
    pair = np.repeat(np.arange(prompts * images), per_pair)
    assert len(set(zip(pair, study.raters, strict=True))) == prompts * images * per_pair
    load = np.bincount(study.raters, minlength=raters)
    assert load.max() - load.min() <= per_pair
    assert (study.prompts == pair // images).all()


def test_drop_out_takes_the_stated_share() -> None:
    study = simulate_votes(Design(40, 10, 10, completion=0.8), Effects(), 1, rng())
    assert study.prompts.size == pytest.approx(320, abs=5)


def test_rows_of_the_planner_are_the_headline_itself() -> None:
    study = simulate_votes(Design(12, 5, 3, images=2), Effects(0.4), 6, rng())
    rows = headline_rows(study)
    for i, values in enumerate(study.values):
        mean = clustered_mean(values, study.prompts, study.raters, bounds=None)
        assert rows.p_values[i] == pytest.approx(mean.test.p)
        assert rows.half_widths[i] == pytest.approx((mean.estimate.high - mean.estimate.low) / 2)
        assert rows.design_effects[i] == pytest.approx(mean.design_effect)


def test_the_stated_net_preference_is_the_one_simulated() -> None:
    effects = Effects(0.7, prompt_sd=1.0, image_sd=0.5, rater_sd=0.5)
    study = simulate_votes(Design(400, 200, 1), effects, 400, rng())
    error = study.values.mean(axis=1).std() / 20
    assert study.values.mean() == pytest.approx(effects.net_preference, abs=4 * error)
    assert Effects(0.0).net_preference == pytest.approx(0, abs=1e-15)


def test_more_prompts_see_more_than_more_votes_on_the_same() -> None:
    few, many = (
        design_power(Design(prompts, 10, per_pair), Effects(0.5), rng=rng(), runs=500)
        for prompts, per_pair in ((10, 10), (100, 1))
    )
    assert few.votes == many.votes == 100
    assert many.power.low > few.power.high and many.half_width < few.half_width


def test_a_design_under_eight_prompts_has_no_power_to_speak_of() -> None:
    plan = design_power(Design(7, 10, 10), Effects(0.5), rng=rng(), runs=50)
    assert plan.power.value is None and "8 prompts" in plan.power.note


def test_the_smallest_detectable_preference_is_seen_and_half_of_it_is_not() -> None:
    design, effects = Design(40, 10, 4), Effects()
    plan = smallest_detectable_preference(design, effects, rng=rng(), runs=400)
    assert plan.power.value >= 0.8 and 0.1 < plan.effects.net_preference < 0.6
    half = Effects(plan.effects.preference / 2)
    assert design_power(design, half, rng=rng(), runs=400).power.high < 0.8
    assert smallest_detectable_preference(Design(7, 3, 3), effects, rng=rng(), runs=50) is None


def test_more_votes_of_a_pair_than_raters_are_refused() -> None:
    with pytest.raises(ValueError, match="one vote per rater"):
        simulate_votes(Design(10, 3, 4), Effects(), 1, rng())
