"""Who sees what, when, and on which side: whole sheets, drawn before the first vote and balanced by construction.

Pure: pairs and a seed in, sheets out. Systems appear as arms (random codes), so that the drawing, which anybody with
the study file can repeat, tells nothing about them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random


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


@dataclass(frozen=True)
class Shown:
    """A pair and its side."""

    pair: Pair
    a_is_left: bool


@dataclass(frozen=True)
class Sheet:
    """One rater's work, in order. `questions`: the order in which they are asked."""

    shown: tuple[Shown, ...]
    questions: tuple[str, ...]


def draw_sheets(
    pairs: Sequence[Pair], *, sheets: int, per_sheet: int, questions: Sequence[str], seed: str
) -> list[Sheet]:
    """Draws `sheets` sheets of `per_sheet` pairs each, none twice on a sheet.

    Balanced, in each case by at most one: each pair of arms has its share of every sheet; each pair is shown as often
    as any other of its arms; on a sheet, each arm of a pair of arms stands left half of the time, and so it does over
    all sheets; each question comes first as often. Prompts are spread before any is repeated, and a pair that was
    shown more often one way round is next shown the other way.
    """
    random = Random(seed)
    packs = {arms: _Pack(members, random) for arms, members in sorted(_by_arms(pairs).items())}
    lefts: dict[Pair, int] = defaultdict(int)
    orders = _orders(questions, random)
    drawn = []
    for number in range(sheets):
        shown: list[Shown] = []
        for pack, size in zip(packs.values(), _shares(per_sheet, len(packs), number), strict=True):
            shown += _sided(pack.deal(size), lefts, random)
        random.shuffle(shown)
        drawn.append(Sheet(tuple(shown), next(orders)))
    random.shuffle(drawn)
    return drawn


def _by_arms(pairs: Sequence[Pair]) -> dict[tuple[str, str], list[Pair]]:
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in sorted(pairs):
        groups[pair.arms].append(pair)
    return groups


def _shares(per_sheet: int, groups: int, number: int) -> list[int]:
    """How many pairs each pair of arms gets on sheet `number`; what does not divide goes round."""
    share, rest = divmod(per_sheet, groups)
    first = number * rest
    extra = {(first + step) % groups for step in range(rest)}
    return [share + (group in extra) for group in range(groups)]


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
    for item in shown:
        lefts[item.pair] += 1 if item.a_is_left else -1
    return shown


def _orders(questions: Sequence[str], random: Random) -> Iterator[tuple[str, ...]]:
    """Orders of the questions: in each block every question comes first once."""
    rotations = [tuple(questions[start:]) + tuple(questions[:start]) for start in range(len(questions))]
    while True:
        random.shuffle(rotations)
        yield from rotations
