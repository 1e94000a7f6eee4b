"""Drawing: balanced by construction, random where it may be; each check turns red on a drawing with a planted fault."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.voting.drawing import Asked, Pair, Sheet, Shown, draw_sheets, questions_asked

QUESTIONS = ("aesthetics", "alignment")


def pairs_of(arms: int, prompts: int, images: int) -> list[Pair]:
    codes = [f"{number:02x}" for number in range(arms)]
    return [
        Pair(a, b, f"p{prompt}", "en", image)
        for place, a in enumerate(codes)
        for b in codes[place + 1 :]
        for prompt in range(prompts)
        for image in range(images)
    ]


def drawn(pairs: Sequence[Pair], sheets: int, per_sheet: int, seed: str = "s") -> list[Sheet]:
    asked = questions_asked(QUESTIONS, (), hide=False, random=Random(seed))
    return draw_sheets(pairs, sheets=sheets, per_sheet=per_sheet, asked=asked, seed=seed)


def spread(counts: Counter, keys: Sequence) -> int:
    return max(counts[key] for key in keys) - min(counts[key] for key in keys)


def faults(sheets: Sequence[Sheet], pairs: Sequence[Pair], per_sheet: int) -> set[str]:
    """What is unbalanced, counted anew from the sheets alone."""
    found, seen, leans = set(), Counter(), Counter()
    arms = sorted({pair.arms for pair in pairs})
    for sheet in sheets:
        here = Counter(item.pair for item in sheet.shown)
        seen += here
        if max(here.values()) > 1 or len(sheet.shown) != per_sheet:
            found.add("a pair twice, or too few")
        if spread(Counter(pair.arms for pair in here), arms) > 1:
            found.add("arms on a sheet")
        for both in arms:
            lean = sum(1 if item.a_is_left else -1 for item in sheet.shown if item.pair.arms == both)
            leans[both] += lean
            if abs(lean) > 1:
                found.add("sides on a sheet")
    if any(abs(lean) > 1 for lean in leans.values()):
        found.add("sides over the sheets")
    if any(spread(seen, [pair for pair in pairs if pair.arms == both]) > 1 for both in arms):
        found.add("how often a pair is shown")
    if spread(Counter(sheet.asked.questions[0] for sheet in sheets), QUESTIONS) > 1:
        found.add("order of the questions")
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 5), st.integers(1, 7), st.integers(1, 4), st.integers(1, 12), st.data())
def test_every_drawing_is_balanced(arms, prompts, images, sheets, data):
    pairs = pairs_of(arms, prompts, images)
    per_sheet = data.draw(st.integers(1, len(pairs)))
    result = drawn(pairs, sheets, per_sheet, data.draw(st.text(max_size=5)))
    assert faults(result, pairs, per_sheet) == set()


def by_coin(sheet: Sheet, random: Random) -> Sheet:
    return replace(sheet, shown=tuple(Shown(item.pair, random.random() < 0.5) for item in sheet.shown))


def a_always_left(sheet: Sheet, random: Random) -> Sheet:
    return replace(sheet, shown=tuple(Shown(item.pair, True) for item in sheet.shown))


def one_twice(sheet: Sheet, random: Random) -> Sheet:
    return replace(sheet, shown=(*sheet.shown[:-1], sheet.shown[0]))


def asked_in_one_order(sheet: Sheet, random: Random) -> Sheet:
    return replace(sheet, asked=Asked(QUESTIONS))


@pytest.mark.parametrize("fault", [by_coin, a_always_left, one_twice, asked_in_one_order])
def test_a_drawing_with_a_planted_fault_is_found(fault: Callable[[Sheet, Random], Sheet]):
    pairs, random = pairs_of(2, 10, 3), Random(1)
    broken = [fault(sheet, random) for sheet in drawn(pairs, 10, 30)]
    assert faults(broken, pairs, 30)


def test_the_published_design_shows_thirty_pairs_with_each_side_fifteen_times():
    sheets = drawn(pairs_of(2, 10, 3), 10, 30)
    assert {len(sheet.shown) for sheet in sheets} == {30}
    assert {sum(item.a_is_left for item in sheet.shown) for sheet in sheets} == {15}
    both_ways = Counter((item.pair, item.a_is_left) for sheet in sheets for item in sheet.shown)
    assert set(both_ways.values()) == {5}


def test_prompts_are_spread_before_any_comes_again():
    for sheet in drawn(pairs_of(2, 90, 2), 30, 45):
        assert max(Counter(item.pair.prompt for item in sheet.shown).values()) <= 2
    first = drawn(pairs_of(2, 90, 2), 1, 90)[0]
    assert len({item.pair.prompt for item in first.shown}) == 90


def test_the_same_seed_draws_the_same_and_another_one_something_else():
    pairs = pairs_of(3, 5, 2)
    assert drawn(pairs, 6, 9) == drawn(list(reversed(pairs)), 6, 9)
    assert drawn(pairs, 6, 9) != drawn(pairs, 6, 9, "t")


def chances(sheets: Sequence[Sheet], per_sheet: int) -> dict[str, float]:
    """p-values of what must be even over many sheets: side by position, pair by position, side runs, first question."""
    left_at, at = [0] * per_sheet, defaultdict(lambda: [0] * per_sheet)
    same, steps = 0, 0
    for sheet in sheets:
        sides = [item.a_is_left for item in sheet.shown]
        same += sum(one == other for one, other in pairwise(sides))
        steps += per_sheet - 1
        for place, item in enumerate(sheet.shown):
            left_at[place] += item.a_is_left
            at[item.pair][place] += 1
    expected_same = (per_sheet / 2 - 1) / (per_sheet - 1)  # sides are drawn without replacement: slightly under half
    return {
        "left at each position": stats.chisquare(left_at).pvalue,
        "pair at each position": stats.chi2_contingency(list(at.values())).pvalue,
        "the same side twice running": stats.binomtest(same, steps, expected_same).pvalue,
    }


def test_over_a_thousand_sheets_sides_and_orders_are_even():
    sheets = [drawn(pairs_of(2, 6, 2), 1, 12, f"seed {number}")[0] for number in range(1000)]
    assert min(chances(sheets, 12).values()) > 0.001


def first_half_left(sheet: Sheet) -> Sheet:
    middle = len(sheet.shown) // 2
    return replace(sheet, shown=tuple(Shown(item.pair, place < middle) for place, item in enumerate(sheet.shown)))


def in_file_order(sheet: Sheet) -> Sheet:
    return replace(sheet, shown=tuple(sorted(sheet.shown, key=lambda item: item.pair)))


def alternating(sheet: Sheet) -> Sheet:
    return replace(sheet, shown=tuple(Shown(item.pair, place % 2 == 0) for place, item in enumerate(sheet.shown)))


@pytest.mark.parametrize("fault", [first_half_left, in_file_order, alternating])
def test_sides_and_orders_that_follow_a_pattern_are_found(fault: Callable[[Sheet], Sheet]):
    sheets = [fault(drawn(pairs_of(2, 6, 2), 1, 12, f"seed {number}")[0]) for number in range(1000)]
    assert not min(chances(sheets, 12).values()) > 0.001
