"""All that a study can show, and whole sheets drawn from it: at opening, for a panel, for a pilot, for more raters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random
from typing import Any

from evalkit.errors import VotingError
from evalkit.spec.design import Design
from evalkit.spec.identity import digest
from evalkit.voting.arranging import Extras, arrange
from evalkit.voting.drawing import Gold, Pair, Sheet, Weights, draw_sheets, questions_asked

Card = Pair | Gold
Scene = tuple[str, str, int]
"""Prompt key, language, number of the image"""


@dataclass(frozen=True)
class Deck:
    """What sheets are drawn from."""

    pairs: tuple[Pair, ...]
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True)
class Plan:
    """How sheets are drawn: the design with its questions, and which of them need no prompt."""

    design: Design
    questions: tuple[str, ...]
    without_prompt: tuple[str, ...]

    @staticmethod
    def of(spec: Mapping[str, Any]) -> Plan:
        """From a study's frozen spec."""
        asked = spec["questions"]
        without = tuple(question["name"] for question in asked if not question.get("needs_prompt", True))
        known = {key: value for key, value in spec["voting"].items() if key in Design.model_fields}
        return Plan(Design.model_validate(known), tuple(question["name"] for question in asked), without)


def draw(deck: Deck, plan: Plan, sheets: int, seed: str, weights: Weights | None = None) -> list[Sheet]:
    """`sheets` sheets; where each keeps to one language, so many in each language.

    Args:
        weights: uneven shares of the pairs of arms, where pairing is adaptive.
    """
    languages: Sequence[str | None] = (
        sorted({pair.lang for pair in deck.pairs}) if plan.design.languages == "one" else (None,)
    )
    return [sheet for lang in languages for sheet in _draw_in(lang, deck, plan, sheets, digest([seed, lang]), weights)]


def _draw_in(lang: str | None, deck: Deck, plan: Plan, sheets: int, seed: str, weights: Weights | None) -> list[Sheet]:
    design, random = plan.design, Random(digest([seed, "questions"]))
    pairs = [pair for pair in deck.pairs if lang in (None, pair.lang)]
    asked = questions_asked(plan.questions, plan.without_prompt, hide=design.hide_prompt == "half", random=random)
    per_sheet = design.per_sheet(len(pairs))
    drawn = draw_sheets(pairs, sheets=sheets, per_sheet=per_sheet, asked=asked, seed=seed, weights=weights)
    drawn = [replace(sheet, lang=lang) for sheet in drawn]
    return arrange(drawn, deck.extras, design.quality, digest([seed, "extras"]))


def all_pairs(arms: Iterable[str], scenes: Iterable[Scene], rounds: int | None, seed: str) -> list[Pair]:
    """The pairs of arms on each scene.

    With `rounds`, an incomplete design: each prompt plays so many rounds of a round-robin of the arms (circle method,
    Kirkman 1847), the next prompt the rounds after those, so that every two arms meet equally often over the prompts
    and every arm appears once a round (but for one that rests, where their number is odd).

    Raises:
        VotingError: the arms fall apart into groups that are never compared.
    """
    arms, scenes = sorted(arms), sorted(scenes)
    if rounds is None:
        return [Pair(a, b, *scene) for a, b in combinations(arms, 2) for scene in scenes]
    order = list(arms)
    Random(seed).shuffle(order)
    table = _round_robin(order)
    prompts = {prompt: place for place, prompt in enumerate(dict.fromkeys(scene[:2] for scene in scenes))}
    pairs = []
    for scene in scenes:
        first = prompts[scene[:2]] * rounds
        for number in range(min(rounds, len(table))):
            pairs += [Pair(min(two), max(two), *scene) for two in table[(first + number) % len(table)]]
    require_connected(pairs, arms)
    return pairs


def _round_robin(arms: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Rounds in which every arm meets one other; over all of them, every two meet once."""
    ring: list[str | None] = [*arms, None] if len(arms) % 2 else list(arms)
    rounds = []
    for _ in range(len(ring) - 1):
        met = zip(ring[: len(ring) // 2], reversed(ring[len(ring) // 2 :]), strict=True)
        rounds.append([(one, two) for one, two in met if one is not None and two is not None])
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return rounds


def require_connected(pairs: Iterable[Pair], arms: Sequence[str]) -> None:
    """Refuses a design in which some arms cannot be compared with others, not even by way of third ones."""
    groups = {arm: {arm} for arm in arms}
    for pair in pairs:
        if groups[pair.arm_a] is not groups[pair.arm_b]:
            joined = groups[pair.arm_a] | groups[pair.arm_b]
            groups.update(dict.fromkeys(joined, joined))
    apart = {id(group) for group in groups.values()}
    if len(apart) > 1:
        hint = "raise voting.rounds, or show more prompts"
        raise VotingError(f"the design falls apart into {len(apart)} groups of systems that never meet", hint=hint)
