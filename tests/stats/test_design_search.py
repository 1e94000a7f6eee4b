"""Designs beside one another: against numerical integration, the reference's figures, and what more must not harm."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from evalkit.stats import design_search as search
from evalkit.stats.planning import Design, Effects

QUICK = search.Simulation(runs=400)
PUBLISHED = search.with_net_preference(Effects(tie_share=27 / 95), 10 / 95)


@settings(max_examples=30, deadline=None)
@given(
    share=st.floats(0.1, 0.9), ties=st.floats(0, 0.8), prompt=st.floats(0.1, 1.2), image=st.floats(0, 1),
    rater=st.floats(0, 1),
)  # fmt: skip
def test_the_logit_found_gives_the_share_expected(
    share: float, ties: float, prompt: float, image: float, rater: float
) -> None:
    effects = search.with_net_preference(Effects(0.0, prompt, image, rater, ties), (1 - ties) * (2 * share - 1))
    sd = float(np.hypot(np.hypot(prompt, image), rater))
    won, _ = integrate.quad(
        lambda x: stats.norm.pdf(x, effects.preference, sd) / (1 + exp(-x)), effects.preference - 9 * sd,
        effects.preference + 9 * sd, limit=200,
    )  # fmt: skip
    assert won == pytest.approx(share, abs=1e-5)
    assert search.decisive_share(effects) == pytest.approx(share, abs=1e-7)


def test_what_is_out_of_reach_is_said() -> None:
    with pytest.raises(ValueError, match="out of reach"):
        search.with_net_preference(Effects(tie_share=0.5), 0.6)
    with pytest.raises(ValueError, match="too many"):
        QUICK.power(Design(3000, 10, 10), PUBLISHED)


@given(votes=st.integers(8, 3000), prompts=st.integers(8, 3000), raters=st.integers(5, 200))
def test_spread_keeps_the_votes_and_gives_no_rater_a_pair_twice(votes: int, prompts: int, raters: int) -> None:
    prompts = min(prompts, votes)
    design = search.spread(votes, prompts, raters)
    assert 1 <= design.votes_per_pair <= raters and design.prompts == prompts and design.raters == raters
    pairs = prompts * design.images
    assert abs(pairs * design.votes_per_pair - votes) <= pairs / 2 or design.votes_per_pair in (1, raters)


def test_540_votes_see_more_the_more_prompts_they_are_spread_over() -> None:
    """The reference: power .19 over 10 prompts, .42 over 30, .58 over 90, .75 over 540 (other effects, so nearly)."""
    designs = [Design(10, 54, 54), Design(30, 18, 18), Design(90, 54, 6), Design(540, 54, 1)]
    rows = [QUICK.power(design, PUBLISHED) for design in designs]
    assert [row.votes for row in rows] == [540] * 4
    assert [row.power.value for row in rows] == pytest.approx([0.19, 0.42, 0.58, 0.75], abs=0.1)
    effects = [row.design_effect for row in rows]
    assert effects == sorted(effects, reverse=True)


def test_the_trade_costs_the_same_and_neither_more_prompts_nor_more_raters_harm() -> None:
    rows = search.trade(300, [10, 100], [5, 40], PUBLISHED, QUICK)
    assert [(row.design.prompts, row.design.raters) for row in rows] == [(10, 5), (10, 40), (100, 5), (100, 40)]
    assert all(abs(row.votes - 300) <= 50 for row in rows)
    assert rows[3].power.low > max(rows[1].power.high, rows[2].power.high)


def test_the_design_needed_reaches_the_power_and_half_of_it_does_not() -> None:
    effects = search.with_net_preference(Effects(), 0.2)
    sheet = search.Sheet()
    needed = search.design_needed(effects, QUICK, power=0.8, sheet=sheet)
    assert needed is not None and needed.power.value >= 0.8 and needed.power.n == 400
    design = needed.design
    assert design.images == 1 and design.votes_per_pair == 3
    assert design.raters * sheet.pairs_per_rater >= needed.votes
    half = Design(design.prompts // 2, max(search.FEWEST_RATERS, design.raters // 2), 3)
    assert QUICK.power(half, effects).power.high < 0.8


def test_what_no_number_of_votes_can_see_is_none() -> None:
    tiny = search.with_net_preference(Effects(), 0.005)
    assert search.design_needed(tiny, search.Simulation(runs=200), power=0.9, sheet=search.Sheet()) is None


def test_a_review_says_the_same_twice_and_its_null_is_the_level() -> None:
    asked = {"power": 0.8, "tests": 2, "sheet": search.Sheet()}
    design = Design(20, 8, 4)
    first, second = (search.review(design, PUBLISHED, QUICK, **asked) for _ in range(2))
    assert first == second
    assert (first.independent_decisive, first.independent_votes) == (382, 534)
    assert first.strict.power.value <= first.own.power.value
    null, *_, strongest = first.curve
    assert null.power.low <= 0.035 and null.power.value < first.own.power.value < strongest.power.value
    assert first.detectable.power.value >= 0.8


def test_under_eight_prompts_there_is_nothing_to_detect() -> None:
    assert QUICK.detectable(Design(7, 10, 10), PUBLISHED, 0.8) is None
    assert QUICK.power(Design(7, 10, 10), PUBLISHED).power.value is None


def test_large_designs_are_simulated_less_often_and_say_so() -> None:
    simulation = search.Simulation(runs=2000)
    assert simulation.runs_of(Design(100, 10, 3)) == 2000 and simulation.runs_of(Design(6000, 100, 3)) == 222
