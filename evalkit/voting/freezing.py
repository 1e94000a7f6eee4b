"""The rows of a study. They enter the database in random order, so that no number in it tells a system."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.spec.catalog import Prompt
from evalkit.spec.identity import digest
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow
from evalkit.voting import arranging, decks
from evalkit.voting.arms import Arms
from evalkit.voting.arranging import Extras
from evalkit.voting.decks import Card, Deck, Plan
from evalkit.voting.drawing import Gold, Pair, Sheet
from evalkit.voting.gallery import Gallery, Picture

Item = TypeVar("Item")
WARMUP = -1
"""The number of the image on the card of a warm-up, which may have the prompt of a comparison that counts"""
TITLE = "Image comparison"
"""What raters read above a study: its own title usually names the systems."""


@dataclass(frozen=True)
class Frozen:
    """What was written. `comparisons` and `per_sheet` count those that are judged; golds and such come beside them."""

    study_id: int
    comparisons: int
    per_sheet: int
    sheets: int


def freeze(
    session: Session,
    resolved: ResolvedStudy,
    shown: Gallery,
    link: Arms,
    now: datetime,
    parallel: Sequence[Prompt] = (),
) -> Frozen:
    """Writes study, prompts, images, comparisons and sheets. `parallel`: prompts to take translations from."""
    hands = _hands(resolved, shown, link)
    deck = _deck(hands)
    spec = _spec(resolved, deck) | _warned(resolved, [item.prompt for item in shown.pictures])
    study = StudyRow(slug=resolved.study.name, study_sha=resolved.sha, spec=spec, opened_at=now)
    session.add(study)
    session.flush()
    seed = digest([spec["voting"]["seed"], resolved.sha])
    plan = Plan.of(spec)
    _require_choice(plan, deck)
    sheets = decks.draw(deck, plan, plan.design.wave(spec["sheets"]), seed)
    images = _images(session, study.id, shown, link, parallel)
    rows = _comparisons(session, study.id, hands, images, planned(sheets))
    add_sheets(session, study.id, sheets, rows)
    return Frozen(study.id, len(deck.pairs), spec["comparisons_per_rater"], len(sheets))


def planned(sheets: Sequence[Sheet]) -> Counter[Card]:
    """How many of the sheets have each card, repeats not counted."""
    return Counter(item.pair for sheet in sheets for item in sheet.shown if item.occasion == 1)


def add_sheets(
    session: Session,
    study_id: int,
    sheets: Sequence[Sheet],
    rows: Mapping[Card, int],
    *,
    simulated: bool = False,
    draw: int = 0,
) -> list[SheetRow]:
    """Writes drawn sheets. `rows`: the number of each card's comparison; `draw`: the number of the drawing."""
    made = []
    for sheet in sheets:
        row = SheetRow(
            study_id=study_id, simulated=simulated, questions=list(sheet.asked.questions),
            hides_prompt=sheet.asked.hides_prompt, lang=sheet.lang,
        )  # fmt: skip
        row.assignments = [
            AssignmentRow(
                comparison_id=rows[item.pair], position=place, a_is_left=item.a_is_left, occasion=item.occasion,
                draw=draw,
            )
            for place, item in enumerate(sheet.shown, start=1)
        ]  # fmt: skip
        made.append(row)
    session.add_all(made)
    session.flush()
    return made


@dataclass(frozen=True)
class _Hand:
    """The pictures of a comparison as they will lie in the database."""

    card: Card
    kind: str
    picture_a: Picture
    picture_b: Picture
    gold_kind: str | None = None


def _hands(resolved: ResolvedStudy, shown: Gallery, link: Arms) -> list[_Hand]:
    """Every comparison: those that are judged, those of warm-ups, golds."""
    design = resolved.study.voting
    rounds = design.rounds if design else None
    judged = _among(shown, link, "vote", rounds, resolved.sha)
    return [*judged, *_among(shown, link, "warmup", None, ""), *_golds(shown)]


def _among(shown: Gallery, link: Arms, kind: str, rounds: int | None, seed: str) -> list[_Hand]:
    pictures = {
        (link.arm_of(item.planned.system), item.prompt.key, item.prompt.lang, item.planned.index): item
        for item in shown.pictures
        if item.role.kind == kind
    }
    scenes = {(key, lang, index) for _, key, lang, index in pictures}
    hands = []
    for pair in decks.all_pairs(link.systems, scenes, rounds, seed) if pictures else ():
        first, second = (pictures[arm, pair.prompt_key, pair.lang, pair.image_index] for arm in pair.arms)
        card = pair if kind == "vote" else replace(pair, image_index=WARMUP)
        hands.append(_Hand(card, kind, first, second))
    return hands


def _golds(shown: Gallery) -> list[_Hand]:
    parts: dict[int, dict[bool, Picture]] = defaultdict(dict)
    for item in shown.pictures:
        if item.role.kind == "gold":
            parts[item.role.number][item.role.right] = item
    hands = []
    for number, part in sorted(parts.items()):
        right_is_a = secrets.choice([True, False])
        card = Gold(number, part[True].prompt.lang, right_is_a)
        kind = "noise" if part[False].role.noise else "other_prompt"
        hands.append(_Hand(card, "gold", part[right_is_a], part[not right_is_a], kind))
    return hands


def _deck(hands: Sequence[_Hand]) -> Deck:
    pairs = tuple(hand.card for hand in hands if hand.kind == "vote" and isinstance(hand.card, Pair))
    warmups = tuple(hand.card for hand in hands if hand.kind == "warmup" and isinstance(hand.card, Pair))
    return Deck(pairs, Extras(tuple(hand.card for hand in hands if isinstance(hand.card, Gold)), warmups))


def _spec(resolved: ResolvedStudy, deck: Deck) -> dict[str, Any]:
    """What raters are shown and how it will be analysed, without a word on the systems."""
    design = resolved.study.voting
    assert design is not None
    in_a_sheet = min(_by_language(deck)) if design.languages == "one" else len(deck.pairs)
    per_sheet = design.per_sheet(in_a_sheet)
    quality = design.quality
    return {
        "title": TITLE,
        "miniature": resolved.miniature,
        "systems": len(resolved.study.systems),
        "comparisons_per_rater": per_sheet,
        "items_per_rater": per_sheet + quality.golds + min(quality.repeats, per_sheet // 2),
        "sheets": design.sheets(in_a_sheet),
        "rules": arranging.RULES,
        "questions": [question.model_dump(mode="json") for question in resolved.questions],
        "voting": design.model_dump(mode="json", exclude=None if design.votes_per_comparison is None else {"raters"}),
        "analysis": resolved.study.analysis.model_dump(mode="json"),
    }


def _require_choice(plan: Plan, deck: Deck) -> None:
    """Refuses adaptive pairing where there is nothing to adapt."""
    arms = {pair.arms for pair in deck.pairs}
    if plan.design.pairing == "even" or (len(arms) > 1 and plan.design.per_sheet(len(deck.pairs)) < len(deck.pairs)):
        return
    hint = "use pairing: even, or more than two systems and fewer comparisons_per_rater"
    raise VotingError("adaptive pairing has nothing to choose", where="voting.pairing", hint=hint)


def _warned(resolved: ResolvedStudy, prompts: Sequence[Prompt]) -> dict[str, list[str]]:
    """The keys of the prompts whose images stay hidden until a rater asks; nothing where the study warns of none."""
    design = resolved.study.voting
    names = set(design.content_warning) if design else set()
    marked = {prompt.key for prompt in prompts if names & {prompt.key, prompt.category, prompt.challenge}}
    return {"warned": sorted(marked)} if marked else {}


def _by_language(deck: Deck) -> list[int]:
    return list(Counter(pair.lang for pair in deck.pairs).values())


def _images(session: Session, study_id: int, shown: Gallery, link: Arms, parallel: Sequence[Prompt]) -> dict[str, int]:
    """Writes prompts and images: opaque key -> row."""
    texts = {(item.prompt.key, item.prompt.lang): item.prompt.text for item in shown.pictures}
    others: dict[str, dict[str, str]] = defaultdict(dict)
    for prompt in parallel:
        others[prompt.key][prompt.lang] = prompt.text
    rows = {
        (key, lang): PromptRow(
            study_id=study_id, key=key, lang=lang, text=text,
            translations={code: said for code, said in others[key].items() if code != lang},
        )
        for (key, lang), text in _shuffled(texts.items())
    }  # fmt: skip
    session.add_all(rows.values())
    session.flush()
    images = {
        item.key: ImageRow(
            prompt_id=rows[item.prompt.key, item.prompt.lang].id, arm=link.arm_of(item.planned.system), key=item.key,
            path=item.path, sha256=item.sha256,
        )
        for item in _shuffled(shown.pictures)
    }  # fmt: skip
    session.add_all(images.values())
    session.flush()
    return {key: row.id for key, row in images.items()}


def _comparisons(
    session: Session, study_id: int, hands: Sequence[_Hand], images: Mapping[str, int], wanted: Mapping[Card, int]
) -> dict[Card, int]:
    rows = {
        hand.card: ComparisonRow(
            study_id=study_id, image_a_id=images[hand.picture_a.key], image_b_id=images[hand.picture_b.key],
            kind=hand.kind, gold_kind=hand.gold_kind, votes_wanted=wanted.get(hand.card, 0),
            gold=("a" if hand.card.right_is_a else "b") if isinstance(hand.card, Gold) else None,
        )
        for hand in _shuffled(hands)
    }  # fmt: skip
    session.add_all(rows.values())
    session.flush()
    return {card: row.id for card, row in rows.items()}


def _shuffled(items: Iterable[Item]) -> list[Item]:
    order = list(items)
    secrets.SystemRandom().shuffle(order)
    return order
