"""Who sees what, when, and on which side: whole sheets, drawn before the first vote and balanced by construction.

Pure: pairs and a seed in, sheets out. Systems appear as arms (random codes), so that the drawing, which anybody with
the study file can repeat, tells nothing about them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

Weights = Mapping[tuple[str, str], float]
"""Of each pair of arms: what share of a sheet it gets; need not add up to 1."""


@dataclass(frozen=True, order=True)
class Pair:
    """Two images of one prompt and number, by their arms; arm_a < arm_b."""

    arm_a: str
    arm_b: str
    prompt_key: str
    lang: str
    image_index: int

    @property
    def arms(self) -> tuple[str, str]:
        return self.arm_a, self.arm_b

    @property
    def prompt(self) -> tuple[str, str]:
        return self.prompt_key, self.lang


@dataclass(frozen=True, order=True)
class Gold:
    """A pair with one right answer; `right_is_a`: how its images lie in the database. `number`s take turns in kind."""

    number: int
    lang: str
    right_is_a: bool


@dataclass(frozen=True)
class Shown:
    """A pair and its side. `occasion` 2: it was on the sheet before, with the sides the other way round."""

    pair: Pair | Gold
    a_is_left: bool
    occasion: int = 1


@dataclass(frozen=True)
class Asked:
    """How the questions are put on a sheet: their order, and whether the prompt comes after those without it."""

    questions: tuple[str, ...]
    hides_prompt: bool = False


@dataclass(frozen=True)
class Sheet:
    """One rater's work, in order."""

    shown: tuple[Shown, ...]
    asked: Asked
    lang: str | None = None


def draw_sheets(
    pairs: Sequence[Pair],
    *,
    sheets: int,
    per_sheet: int,
    asked: Iterator[Asked],
    seed: str,
    weights: Weights | None = None,
) -> list[Sheet]:
    """Draws `sheets` sheets of `per_sheet` pairs each, none twice on a sheet.

    Balanced, in each case by at most one: each pair of arms has its share of every sheet; each pair is shown as often
    as any other of its arms; on a sheet, each arm of a pair of arms stands left half of the time, and so it does over
    all sheets. Prompts are spread before any is repeated, and a pair that was shown more often one way round is next
    shown the other way.

    Args:
        asked: how the questions are put, sheet by sheet (`questions_asked`).
        weights: shares of the pairs of arms that are not even; all else stays as balanced.
    """
    random = Random(seed)
    packs = {arms: _Pack(members, random) for arms, members in sorted(_by_arms(pairs).items())}
    quota = _Quota([weights[arms] for arms in packs]) if weights else None
    lefts: dict[Pair, int] = defaultdict(int)
    drawn = []
    for number in range(sheets):
        shown: list[Shown] = []
        sizes = [len(pack.members) for pack in packs.values()]
        shares = quota.deal(per_sheet, sizes) if quota else _shares(per_sheet, sizes, number)
        for pack, size in zip(packs.values(), shares, strict=True):
            shown += _sided(pack.deal(size), lefts, random)
        random.shuffle(shown)
        drawn.append(Sheet(tuple(shown), next(asked)))
    random.shuffle(drawn)
    return drawn


def _by_arms(pairs: Sequence[Pair]) -> dict[tuple[str, str], list[Pair]]:
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in sorted(pairs):
        groups[pair.arms].append(pair)
    return groups


def _shares(per_sheet: int, sizes: Sequence[int], number: int) -> list[int]:
    """How many pairs each pair of arms gets on sheet `number`: as even as `sizes` allow; what does not divide goes
    round from sheet to sheet."""
    shares, left = [0] * len(sizes), min(per_sheet, sum(sizes))
    first = number * (per_sheet % len(sizes))
    order = [(first + step) % len(sizes) for step in range(len(sizes))]
    while left:
        for group in [group for group in order if shares[group] < sizes[group]][:left]:
            shares[group] += 1
            left -= 1
    return shares


class _Quota:
    """Uneven shares, sheet after sheet as near to the weights as whole pairs allow (largest deficit first)."""

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = [weight / sum(weights) for weight in weights]
        self.given = [0] * len(weights)

    def deal(self, per_sheet: int, sizes: Sequence[int]) -> list[int]:
        """How many pairs each pair of arms gets on the next sheet."""
        shares = [0] * len(sizes)
        for _ in range(min(per_sheet, sum(sizes))):
            total = sum(self.given) + 1
            open_ = [group for group, size in enumerate(sizes) if shares[group] < size]
            most = max(open_, key=lambda group: (self.weights[group] * total - self.given[group], -group))
            shares[most] += 1
            self.given[most] += 1
        return shares


class _Pack:
    """The pairs of two arms, dealt like cards: all of them once, in a new order, before any comes again."""

    def __init__(self, members: Sequence[Pair], random: Random) -> None:
        self.members, self.random = members, random
        self.cards: deque[Pair] = deque()

    def deal(self, size: int) -> list[Pair]:
        """`size` different pairs; a card that the hand already holds waits for the next hand."""
        hand: dict[Pair, None] = {}
        waiting: list[Pair] = []
        while len(hand) < size:
            if not self.cards:
                self.cards.extend(self._shuffled())
            card = self.cards.popleft()
            if card in hand:
                waiting.append(card)
            else:
                hand[card] = None
        self.cards.extendleft(reversed(waiting))
        return list(hand)

    def _shuffled(self) -> list[Pair]:
        """All pairs in random order, one of each prompt first, then a second one of each, and so on."""
        by_prompt: dict[tuple[str, str], list[Pair]] = defaultdict(list)
        for pair in self.members:
            by_prompt[pair.prompt].append(pair)
        for group in by_prompt.values():
            self.random.shuffle(group)
        rounds: list[Pair] = []
        for place in range(max(map(len, by_prompt.values()))):
            turn = [group[place] for group in by_prompt.values() if place < len(group)]
            self.random.shuffle(turn)
            rounds += turn
        return rounds


def _sided(hand: Sequence[Pair], lefts: dict[Pair, int], random: Random) -> list[Shown]:
    """Sides for the pairs of two arms on one sheet: half of them a left, first those where a stood left less often.

    `lefts`: for each pair, how often a stood left minus how often it stood right, over the sheets so far; updated.
    """
    half, odd = divmod(len(hand), 2)
    lean = sum(lefts[pair] for pair in lefts if hand and pair.arms == hand[0].arms)
    half += odd and (random.random() < 0.5 if lean == 0 else lean < 0)
    order = sorted(hand, key=lambda pair: (lefts[pair], random.random()))
    shown = [Shown(pair, place < half) for place, pair in enumerate(order)]
    for pair, item in zip(order, shown, strict=True):
        lefts[pair] += 1 if item.a_is_left else -1
    return shown


def questions_asked(
    questions: Sequence[str], without_prompt: Collection[str], *, hide: bool, random: Random
) -> Iterator[Asked]:
    """Orders of the questions: in each block every question comes first once; with `hide`, the prompt is hidden on
    every other sheet (in random order), which then begins with the questions that need none."""
    plain = _rotations(questions, random)
    early = [name for name in questions if name in without_prompt]
    late = [name for name in questions if name not in without_prompt]
    if not (hide and early and late):
        yield from map(Asked, plain)
    firsts, lasts = _rotations(early, random), _rotations(late, random)
    flags = [True, False]
    while True:
        random.shuffle(flags)
        for hidden in flags:
            yield Asked((*next(firsts), *next(lasts)), True) if hidden else Asked(next(plain))


def _rotations(names: Sequence[str], random: Random) -> Iterator[tuple[str, ...]]:
    rotations = [(*names[start:], *names[:start]) for start in range(len(names))]
    while True:
        random.shuffle(rotations)
        yield from rotations
