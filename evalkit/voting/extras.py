"""Golds and warm-ups: which images they are made of.

They take prompts that raters do not judge otherwise; where a study has too few of those, the judged ones serve again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evalkit.errors import VotingError
from evalkit.spec.design import Design
from evalkit.voting.gallery import Role, Source


@dataclass(frozen=True)
class _Scenes:
    """The prompts of one language by key, spare ones first, and the first image of each system on them."""

    keys: tuple[str, ...]
    spare: int
    images: dict[tuple[str, str], Source]

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for system, _ in self.images))


def extras(judged: Sequence[Source], spare: Sequence[Source], design: Design) -> list[Source]:
    """The pictures of golds and warm-ups, in each language of the judged images.

    A language has `golds` x systems golds, so that each system's image is the right one as often; kinds take turns.

    Raises:
        VotingError: golds against another prompt's image, and only one prompt.
    """
    made: list[Source] = []
    for place, lang in enumerate(sorted({source.planned.prompt.lang for source in judged})):
        scenes = _scenes(judged, spare, lang)
        first = place * design.quality.golds * len(scenes.systems)
        made += [*_warmups(scenes, design.quality.warmups), *_golds(scenes, design, first)]
    return made


def _scenes(judged: Sequence[Source], spare: Sequence[Source], lang: str) -> _Scenes:
    def here(sources: Sequence[Source]) -> list[Source]:
        return [source for source in sources if source.planned.prompt.lang == lang and source.planned.index == 0]

    images = {(source.planned.system, source.planned.prompt.key): source for source in [*here(spare), *here(judged)]}
    lent = {source.planned.prompt.key for source in here(spare)}
    return _Scenes(tuple(dict.fromkeys(key for _, key in images)), len(lent), images)


def _warmups(scenes: _Scenes, count: int) -> Iterator[Source]:
    for key in scenes.keys[:count]:
        for system in scenes.systems:
            yield replace(scenes.images[system, key], role=Role("warmup"))


def _golds(scenes: _Scenes, design: Design, first: int) -> Iterator[Source]:
    """Two pictures of each gold: the right one, and noise or the same system's image of another prompt."""
    quality, systems = design.quality, scenes.systems
    fresh = scenes.keys[quality.warmups : scenes.spare]
    keys = fresh if len(fresh) > 1 else scenes.keys
    if quality.golds and "other_prompt" in quality.gold_kinds and len(keys) < 2:
        hint = "set voting.quality.gold_kinds: [noise], or show more prompts"
        raise VotingError("a gold against another prompt's image needs a second prompt", hint=hint)
    for number in range(quality.golds * len(systems)):
        system, key = systems[number % len(systems)], keys[number % len(keys)]
        noise = quality.gold_kinds[number // len(systems) % len(quality.gold_kinds)] == "noise"
        right = scenes.images[system, key]
        wrong = right if noise else scenes.images[system, keys[(number + 1) % len(keys)]]
        prompt = right.planned.prompt
        yield replace(right, role=Role("gold", first + number, right=True))
        yield replace(wrong, role=Role("gold", first + number, right=False, noise=noise, prompt=prompt))
