"""The difference of two studies: the sum of their variances where they share nothing, less where prompts are shared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.clustered import clustered_mean
from evalkit.stats.difference import Votes, clustered_difference

SEEDS = st.integers(0, 2**32 - 1)


def study(seed: int, *, prompts: int = 20, raters: int = 8, effect: float = 0.0, prompt_effects=None) -> Votes:
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.8, prompts) if prompt_effects is None else prompt_effects
    prompt, rater = (grid.ravel() for grid in np.meshgrid(np.arange(prompts), np.arange(raters), indexing="ij"))
    won = rng.random(prompt.size) < 1 / (1 + np.exp(-(effect + shift[prompt] + rng.normal(0, 0.3, raters)[rater])))
    return Votes(np.where(won, 1.0, -1.0) * (rng.random(prompt.size) > 0.25), prompt, rater)


@given(SEEDS)
def test_with_nothing_in_common_errors_add_up_as_welch_has_it(seed: int) -> None:
    before, after = study(seed), study(seed + 1, raters=5)
    after = Votes(after.values, np.asarray(after.prompts) + 1000, after.raters)
    one, two = (clustered_mean(v.values, v.prompts, v.raters) for v in (before, after))
    found = clustered_difference(before, after)
    assert found.estimate.value == pytest.approx(two.estimate.value - one.estimate.value)
    parts = [m.standard_error**2 for m in (one, two)]
    df = sum(parts) ** 2 / sum(v**2 / m.degrees_of_freedom for v, m in zip(parts, (one, two), strict=True))
    assert found.degrees_of_freedom == pytest.approx(df)
    assert sum(parts) ** 0.5 <= found.standard_error * (1 + 1e-9) and found.standard_error < 1.15 * sum(parts) ** 0.5
    assert found.test.p == pytest.approx(2 * stats.t.sf(abs(found.estimate.value) / found.standard_error, df))


@given(SEEDS)
def test_swapping_before_and_after_flips_the_sign_and_keeps_p(seed: int) -> None:
    one, two = study(seed), study(seed + 1, effect=0.5)
    there, back = clustered_difference(one, two), clustered_difference(two, one)
    assert there.estimate.value == pytest.approx(-back.estimate.value, abs=1e-12)
    assert there.test.p == pytest.approx(back.test.p)


def test_what_prompts_do_to_both_cancels_out() -> None:
    shared = np.random.default_rng(5).normal(0, 2.0, 30)
    one, two = (study(seed, prompts=30, prompt_effects=shared) for seed in (1, 2))
    apart = Votes(two.values, np.asarray(two.prompts) + 1000, two.raters)
    assert clustered_difference(one, two).standard_error < 0.8 * clustered_difference(one, apart).standard_error


@pytest.mark.parametrize(("sizes", "words"), [({"prompts": 5}, "under 8 prompts"), ({"raters": 2}, "under 3 raters")])
def test_a_small_study_has_a_value_and_no_claim(sizes: dict[str, int], words: str) -> None:
    found = clustered_difference(study(1), study(2, **sizes))
    assert found.estimate.value is not None and found.estimate.low is None
    assert found.test.p is None and words in str(found.estimate.note)


def test_the_same_votes_twice_and_no_votes_are_said() -> None:
    ties = Votes(np.zeros(60), np.repeat(np.arange(12), 5), np.tile(np.arange(5), 12))
    assert clustered_difference(ties, ties).test.p is None
    nothing = Votes([], [], [])
    assert clustered_difference(study(1), nothing).estimate.value is None


@pytest.mark.parametrize(("prompts", "raters", "shared"), [(10, 6, True), (20, 8, True), (20, 8, False)])
def test_no_change_is_called_a_change_as_seldom_as_promised(prompts: int, raters: int, shared: bool) -> None:
    """Monte-Carlo of 200 pairs of studies under the null: at most 6.5 % and two Monte-Carlo errors."""
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng([prompts, raters, seed])
        effects = rng.normal(0, 0.8, prompts)
        one = study(2 * seed, prompts=prompts, raters=raters, prompt_effects=effects)
        other = effects if shared else rng.normal(0, 0.8, prompts)
        two = study(2 * seed + 1, prompts=prompts, raters=raters, prompt_effects=other)
        two = two if shared else Votes(two.values, np.asarray(two.prompts) + 1000, two.raters)
        rejected += clustered_difference(one, two).test.p < 0.05
    assert rejected / 200 <= 0.065 + 2 * (0.05 * 0.95 / 200) ** 0.5, rejected / 200


def test_the_variance_is_that_of_plain_loops() -> None:
    shared = np.random.default_rng(3).normal(0, 1.5, 9)
    one, two = (study(seed, prompts=9, raters=raters, prompt_effects=shared) for seed, raters in ((7, 4), (8, 3)))
    own, sums = 0.0, []
    for votes in (one, two):
        values = np.asarray(votes.values, dtype=float)
        share = (values - values.mean()) / values.size
        own += clustered_mean(values, votes.prompts, votes.raters).standard_error ** 2
        sums.append([sum(share[i] for i in range(values.size) if votes.prompts[i] == prompt) for prompt in range(9)])
    covariance = 9 / 8 * sum(a * b for a, b in zip(*sums, strict=True))
    assert clustered_difference(one, two).standard_error ** 2 == pytest.approx(own - 2 * covariance, rel=1e-9)
