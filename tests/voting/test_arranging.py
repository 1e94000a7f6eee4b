"""A thousand simulated raters: sides, orders, golds, repeats, warm-ups; each rule turns red where it is broken."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.errors import VotingError
from evalkit.spec.design import Design, Quality
from evalkit.voting import decks
from evalkit.voting.arranging import FIRST, Extras
from evalkit.voting.decks import Deck, Plan
from evalkit.voting.drawing import Asked, Gold, Pair, Sheet, Shown

ARMS = ("1f", "7a", "c0")
QUALITY = Quality(golds=4, repeats=4, warmups=2)


def deck_of(arms: Sequence[str] = ARMS[:2], prompts: int = 24, golds: int = 8) -> Deck:
    pairs = decks.all_pairs(arms, [(f"p{number}", "en", 0) for number in range(prompts)], None, "")
    practice = decks.all_pairs(arms, [(f"w{number}", "en", -1) for number in range(2)], None, "")
    known = tuple(Gold(number, "en", number % 3 == 0) for number in range(golds))
    return Deck(tuple(pairs), Extras(known, tuple(practice)))


def drawn(sheets: int, seed: str = "s", deck: Deck | None = None, **design: object) -> list[Sheet]:
    plan = Plan(
        Design.model_validate({"comparisons_per_rater": 20, "quality": QUALITY, "hide_prompt": "half", **design}),
        ("aesthetics", "alignment"),
        ("aesthetics",),
    )
    return decks.draw(deck or deck_of(), plan, sheets, seed)


@cache
def thousand() -> tuple[Sheet, ...]:
    return tuple(drawn(1000))


def kind(item: Shown) -> str:
    if isinstance(item.pair, Gold):
        return "gold"
    if item.pair.image_index == -1:
        return "warmup"
    return "vote" if item.occasion == 1 else "repeat"


def right_is_left(item: Shown) -> bool:
    assert isinstance(item.pair, Gold)
    return item.a_is_left == item.pair.right_is_a


def broken_rules(sheets: Sequence[Sheet]) -> set[str]:
    """The rules that a set of sheets breaks, counted anew from the sheets alone."""
    found: set[str] = set()
    leans: Counter[str] = Counter()
    for sheet in sheets:
        kinds = [kind(item) for item in sheet.shown]
        body = [item for item in sheet.shown if kind(item) != "warmup"]
        if Counter(kinds) != {"vote": 20, "gold": 4, "repeat": 4, "warmup": 2} or kinds[:2] != ["warmup"] * 2:
            found.add("how many of each, warm-ups first")
        if set(kinds[2 : 2 + FIRST]) != {"vote"}:
            found.add("no gold or repeat at the start")
        votes = [item for item in body if kind(item) == "vote"]
        place = {item.pair: number for number, item in enumerate(votes)}
        for number, item in enumerate(body):
            before = sum(kind(one) == "vote" for one in body[:number])
            if kind(item) == "repeat":
                first = votes[place[item.pair]]
                if first.a_is_left == item.a_is_left:
                    found.add("repeats are swapped")
                if place[item.pair] >= 10 or before < 20 - 20 // 3:
                    found.add("repeats are far from their first showing")
        lefts = sum(right_is_left(item) for item in body if kind(item) == "gold")
        at = [place - number - FIRST for number, place in enumerate(n for n, i in enumerate(body) if kind(i) == "gold")]
        if any(not int(5.5 * part) <= place <= 5.5 * (part + 1) for part, place in enumerate(at)):
            found.add("golds are spread")
        if lefts != 2:
            found.add("the right image of golds is on either side")
        if abs(sum(1 if item.a_is_left else -1 for item in votes)) > 0:
            found.add("sides of a sheet")
        leans["votes"] += sum(1 if item.a_is_left else -1 for item in votes)
    golds = Counter(item.pair for sheet in sheets for item in sheet.shown if kind(item) == "gold")
    if len(golds) != 8 or max(golds.values()) - min(golds.values()) > 1:
        found.add("golds take turns")
    hidden = sum(sheet.asked.hides_prompt for sheet in sheets)
    firsts = Counter(sheet.asked.questions[0] for sheet in sheets if not sheet.asked.hides_prompt)
    if abs(2 * hidden - len(sheets)) > 1 or abs(firsts["aesthetics"] - firsts["alignment"]) > 1:
        found.add("half of the sheets hide the prompt, and the others' questions take turns")
    if any(sheet.asked.hides_prompt and sheet.asked.questions[0] != "aesthetics" for sheet in sheets):
        found.add("what needs no prompt comes before it")
    return found


def chances(sheets: Sequence[Sheet]) -> dict[str, float]:
    """p-values of what must be even by chance over many sheets."""
    gold_kinds_left: Counter[tuple[Gold, bool]] = Counter()
    sides_at: list[int] = [0] * 30
    for sheet in sheets:
        for place, item in enumerate(sheet.shown):
            sides_at[place] += item.a_is_left if kind(item) in ("vote", "repeat") else 0
            if kind(item) == "gold":
                gold_kinds_left[item.pair, right_is_left(item)] += 1
    shown_at = [sum(kind(sheet.shown[place]) in ("vote", "repeat") for sheet in sheets) for place in range(5, 30)]
    lefts = sides_at[5:]
    table = [lefts, [all_ - left for all_, left in zip(shown_at, lefts, strict=True)]]
    by_gold = [
        [gold_kinds_left[gold, side] for side in (True, False)] for gold in sorted({g for g, _ in gold_kinds_left})
    ]
    return {
        "side at each place": stats.chi2_contingency(table).pvalue,
        "side of each gold": stats.chi2_contingency(by_gold).pvalue,
    }


def test_a_thousand_raters_sheets_keep_every_rule():
    assert broken_rules(thousand()) == broken_rules(drawn(50)) == set()


def test_over_a_thousand_raters_sides_are_even_at_each_place_and_for_each_gold():
    assert min(chances(thousand()).values()) > 0.001, chances(thousand())


def at_the_start(sheet: Sheet) -> Sheet:
    golds = [item for item in sheet.shown if kind(item) == "gold"]
    return replace(sheet, shown=(*golds, *(item for item in sheet.shown if item not in golds)))


def unswapped(sheet: Sheet) -> Sheet:
    return replace(
        sheet,
        shown=tuple(replace(i, a_is_left=not i.a_is_left) if kind(i) == "repeat" else i for i in sheet.shown),
    )


def right_on_the_left(sheet: Sheet) -> Sheet:
    return replace(
        sheet,
        shown=tuple(replace(i, a_is_left=i.pair.right_is_a) if isinstance(i.pair, Gold) else i for i in sheet.shown),
    )


def early_repeat(sheet: Sheet) -> Sheet:
    shown = list(sheet.shown)
    again = next(item for item in shown if kind(item) == "repeat")
    shown.remove(again)
    first = next(place for place, item in enumerate(shown) if item.pair == again.pair)
    return replace(sheet, shown=(*shown[: first + 1], again, *shown[first + 1 :]))


def no_warmup(sheet: Sheet) -> Sheet:
    return replace(sheet, shown=sheet.shown[2:])


def one_gold(sheet: Sheet) -> Sheet:
    gold = next(item.pair for item in sheet.shown if kind(item) == "gold")
    return replace(
        sheet, shown=tuple(replace(item, pair=gold) if kind(item) == "gold" else item for item in sheet.shown)
    )


def prompt_first(sheet: Sheet) -> Sheet:
    return replace(sheet, asked=Asked(("alignment", "aesthetics"), sheet.asked.hides_prompt))


def never_hidden(sheet: Sheet) -> Sheet:
    return replace(sheet, asked=replace(sheet.asked, hides_prompt=False))


def golds_last(sheet: Sheet) -> Sheet:
    golds = [item for item in sheet.shown if kind(item) == "gold"]
    return replace(sheet, shown=(*(item for item in sheet.shown if item not in golds), *golds))


FAULTS = [at_the_start, unswapped, right_on_the_left, early_repeat, no_warmup, one_gold, prompt_first, never_hidden]
FAULTS.append(golds_last)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: Callable[[Sheet], Sheet]):
    assert broken_rules([fault(sheet) for sheet in drawn(50)])


def left_first(sheet: Sheet) -> Sheet:
    votes = sorted((i for i in sheet.shown if kind(i) == "vote"), key=lambda item: not item.a_is_left)
    turn = iter(votes)
    return replace(sheet, shown=tuple(next(turn) if kind(item) == "vote" else item for item in sheet.shown))


def noise_on_the_left(sheet: Sheet) -> Sheet:
    return replace(
        sheet,
        shown=tuple(
            replace(i, a_is_left=i.pair.right_is_a == (i.pair.number % 2 == 0)) if isinstance(i.pair, Gold) else i
            for i in sheet.shown
        ),
    )


@pytest.mark.parametrize("fault", [left_first, noise_on_the_left])
def test_a_pattern_over_many_raters_is_found(fault: Callable[[Sheet], Sheet]):
    assert not min(chances([fault(sheet) for sheet in thousand()]).values()) > 0.001


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(0, 6), st.integers(0, 6), st.integers(0, 2), st.integers(0, 10))
def test_every_size_of_sheet_can_be_arranged(per_sheet, golds, repeats, warmups, pool):
    quality = Quality(golds=golds, repeats=repeats, warmups=warmups)
    sheets = drawn(3, deck=deck_of(golds=pool), comparisons_per_rater=per_sheet, quality=quality)
    for sheet in sheets:
        count = Counter(map(kind, sheet.shown))
        size = min(per_sheet, 24)
        assert (count["vote"], count["gold"], count["warmup"]) == (size, min(golds, pool), warmups)
        assert count["repeat"] == min(repeats, size // 2)
        assert all(kind(item) in ("vote", "warmup") for item in sheet.shown[: warmups + min(FIRST, size)])


def test_a_sheet_keeps_to_one_language():
    pairs = [Pair("1f", "7a", f"p{number}", lang, 0) for number in range(6) for lang in ("en", "sw")]
    golds = tuple(Gold(number, lang, True) for number, lang in enumerate(["en", "en", "sw", "sw"]))
    sheets = drawn(3, deck=Deck(tuple(pairs), Extras(golds)), languages="one", quality=Quality(golds=2))
    assert Counter(sheet.lang for sheet in sheets) == {"en": 3, "sw": 3}
    assert all({item.pair.lang for item in sheet.shown} == {sheet.lang} for sheet in sheets)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 9), st.integers(1, 8), st.integers(1, 3))
def test_an_incomplete_design_is_balanced_over_prompts_and_connected(arms, rounds, times):
    codes = [f"{number:02x}" for number in range(arms)]
    cycle = arms if arms % 2 else arms - 1
    pairs = decks.all_pairs(codes, [(f"p{number:03}", "en", 0) for number in range(cycle * times)], rounds, "s")
    met = Counter(pair.arms for pair in pairs)
    assert len(met) == arms * (arms - 1) // 2 and len(set(met.values())) == 1
    by_prompt = Counter((pair.prompt_key, arm) for pair in pairs for arm in pair.arms)
    assert max(by_prompt.values()) <= min(rounds, cycle)
    assert len(set(pairs)) == len(pairs)


def test_systems_that_never_meet_are_refused():
    with pytest.raises(VotingError, match="falls apart into 2 groups of systems that never meet"):
        decks.all_pairs(["a", "b", "c", "d"], [("p0", "en", 0)], 1, "s")
    with pytest.raises(VotingError, match="2 groups"):
        decks.require_connected([Pair("a", "b", "p", "en", 0), Pair("c", "d", "p", "en", 0)], ["a", "b", "c", "d"])


def test_shares_of_many_systems_are_even_on_each_sheet_and_over_all():
    deck = Deck(tuple(decks.all_pairs([f"{n}" for n in range(5)], [(f"p{n}", "en", 0) for n in range(6)], 2, "s")))
    sheets = drawn(12, deck=deck, comparisons_per_rater=7, quality=Quality())
    over_all = Counter(item.pair.arms for sheet in sheets for item in sheet.shown)
    assert max(over_all.values()) - min(over_all.values()) <= 2
    assert all(max(Counter(item.pair.arms for item in sheet.shown).values()) == 1 for sheet in sheets)


def test_votes_per_comparison_say_how_many_sheets():
    assert Design(votes_per_comparison=3, comparisons_per_rater=10).sheets(48) == 15
    counts = Counter(
        item.pair for sheet in drawn(15, quality=Quality(), comparisons_per_rater=8) for item in sheet.shown
    )
    assert set(counts.values()) == {5}


def test_the_random_numbers_are_the_seeds_alone():
    assert drawn(5, "a") == drawn(5, "a") != drawn(5, "b")
    assert Random("x").random() == Random("x").random()
