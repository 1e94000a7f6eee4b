"""Beside the comparisons of a sheet: practice before them, golds and side-swapped repeats among them.

Pure, like the drawing. The rules, which are part of the freeze:
- warm-ups come first; then at least `FIRST` comparisons before any gold or repeat;
- golds are spread: one at a random place of each part of the sheet, the right image left half of the time;
- what is repeated was shown in the first half of the comparisons and comes again, sides swapped, in the last third.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from evalkit.spec.design import Quality
from evalkit.voting.drawing import Gold, Pair, Sheet, Shown

FIRST = 3
"""Comparisons at least, warm-ups not counted, before the first gold or repeat (fewer only where there are no more)."""
RULES = (
    "warm-ups first; no gold or repeat among the first 3; golds spread; repeats from the first half, in the last third"
)


@dataclass(frozen=True)
class Extras:
    """What sheets can be given beside their comparisons."""

    golds: tuple[Gold, ...] = ()
    warmups: tuple[Pair, ...] = ()


def arrange(sheets: Sequence[Sheet], extras: Extras, quality: Quality, seed: str) -> list[Sheet]:
    """The sheets with their warm-ups, golds and repeats, in the same order."""
    random = Random(seed)
    golds = _Golds(sorted(extras.golds), random)
    turn = random.randrange(1000)
    arranged = []
    for number, sheet in enumerate(sheets):
        body = _with_repeats(sheet.shown, quality.repeats, random)
        body = _with_golds(body, golds.deal(quality.golds, sheet.lang), random)
        practice = _practice(extras.warmups, quality.warmups, sheet.lang, turn + number, random)
        arranged.append(replace(sheet, shown=(*practice, *body)))
    return arranged


def _practice(pairs: Sequence[Pair], count: int, lang: str | None, turn: int, random: Random) -> list[Shown]:
    """One pair of each of the first `count` warm-up prompts; which arms meet goes round from sheet to sheet."""
    by_prompt: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in sorted(pairs):
        if lang in (None, pair.lang):
            by_prompt[pair.prompt].append(pair)
    chosen = [group[(turn + place) % len(group)] for place, group in enumerate(by_prompt.values())][:count]
    random.shuffle(chosen)
    flip = random.random() < 0.5
    return [Shown(pair, (place % 2 == 0) == flip) for place, pair in enumerate(chosen)]


def _with_repeats(votes: Sequence[Shown], count: int, random: Random) -> list[Shown]:
    """Some comparisons of the first half come again in the last third, sides swapped."""
    early = list(votes[: len(votes) // 2])
    again = random.sample(early, min(count, len(early)))
    body, late = list(votes), max(len(votes) - len(votes) // 3, min(FIRST, len(votes)))
    for shown in again:
        body.insert(random.randint(late, len(body)), replace(shown, a_is_left=not shown.a_is_left, occasion=2))
    return body


def _with_golds(body: Sequence[Shown], golds: Sequence[Shown], random: Random) -> list[Shown]:
    """One gold at a random place of each of as many equal parts of what follows the first comparisons."""
    start = min(FIRST, len(body))
    places = len(body) - start + 1
    at = sorted(start + int((part + random.random()) * places / len(golds)) for part in range(len(golds)))
    mixed = list(body)
    for gold, place in reversed(list(zip(golds, at, strict=True))):
        mixed.insert(place, gold)
    return mixed


class _Golds:
    """The golds, dealt in turn, and how often the right image stood left so far."""

    def __init__(self, golds: Sequence[Gold], random: Random) -> None:
        self.random, self.lean = random, 0
        self.packs: dict[str | None, list[Gold]] = {None: list(golds)}
        for gold in golds:
            self.packs.setdefault(gold.lang, []).append(gold)
        self.next = {lang: random.randrange(len(pack)) if pack else 0 for lang, pack in self.packs.items()}

    def deal(self, count: int, lang: str | None) -> list[Shown]:
        """`count` different golds in random order, right left half of the time."""
        pack = self.packs.get(lang, [])
        count = min(count, len(pack))
        hand = [pack[(self.next[lang] + step) % len(pack)] for step in range(count)]
        self.next[lang] = self.next.get(lang, 0) + count
        self.random.shuffle(hand)
        half, odd = divmod(count, 2)
        half += odd and (self.random.random() < 0.5 if self.lean == 0 else self.lean < 0)
        self.lean += 2 * half - count
        lefts = [place < half for place in range(count)]
        self.random.shuffle(lefts)
        return [Shown(gold, gold.right_is_a == left) for gold, left in zip(hand, lefts, strict=True)]
