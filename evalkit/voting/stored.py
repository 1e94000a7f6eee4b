"""The deck of a study as it lies in the database, and further sheets drawn from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from evalkit.errors import VotingError
from evalkit.spec.identity import digest
from evalkit.store.tables import ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow
from evalkit.voting import decks, freezing, seals
from evalkit.voting.arranging import Extras
from evalkit.voting.decks import Card, Deck, Plan
from evalkit.voting.drawing import Gold, Pair, Weights


@dataclass(frozen=True)
class _Stored:
    """A comparison with the arms of its images and its prompt."""

    id: int
    kind: str
    gold: str | None
    gold_kind: str | None
    arm_a: str
    arm_b: str
    prompt_key: str
    lang: str


def deck_of(session: Session, study_id: int) -> tuple[Deck, dict[Card, int]]:
    """What can be drawn, and the comparison's row of each card.

    The row's number stands for the number of the image, which the database does not know.
    """
    first, second = aliased(ImageRow), aliased(ImageRow)
    query = (
        select(ComparisonRow.id, ComparisonRow.kind, ComparisonRow.gold, ComparisonRow.gold_kind)
        .add_columns(first.arm, second.arm, PromptRow.key, PromptRow.lang)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .join(PromptRow, first.prompt_id == PromptRow.id)
        .where(ComparisonRow.study_id == study_id)
        .order_by(ComparisonRow.id)
    )
    found = [_Stored(*row) for row in session.execute(query)]
    judged, warmups = ({_pair(row): row.id for row in found if row.kind == kind} for kind in ("vote", "warmup"))
    golds = _golds([row for row in found if row.kind == "gold"])
    rows: dict[Card, int] = dict([*judged.items(), *warmups.items(), *golds.items()])
    return Deck(tuple(judged), Extras(tuple(golds), tuple(warmups))), rows


def draw_more(
    session: Session,
    study: StudyRow,
    sheets: int,
    why: str,
    now: datetime,
    *,
    simulated: bool = False,
    weights: Weights | None = None,
) -> list[SheetRow]:
    """Draws further sheets by the frozen rules, and says so in the log.

    Args:
        weights: uneven shares of the pairs of arms, where pairing is adaptive; the log keeps them.

    Raises:
        VotingError: the study is closed.
    """
    if study.closed_at is not None:
        raise VotingError("the study is closed", hint="no more sheets are drawn")
    deck, rows = deck_of(session, study.id)
    number = seals.next_draw(session, study.id)
    drawn = decks.draw(deck, Plan.of(study.spec), sheets, digest([why, number, study.study_sha]), weights)
    made = freezing.add_sheets(session, study.id, drawn, rows, simulated=simulated, draw=number)
    seals.log_draw(session, study.id, number, len(made), why, now, weights)
    return made


def _pair(row: _Stored) -> Pair:
    return Pair(row.arm_a, row.arm_b, row.prompt_key, row.lang, row.id)


def _golds(found: Sequence[_Stored]) -> dict[Gold, int]:
    """Golds numbered so that arms, and then kinds, take turns."""
    groups: dict[tuple[str, str | None], list[_Stored]] = defaultdict(list)
    for row in found:
        groups[row.arm_a, row.gold_kind].append(row)
    ranked = {
        (place, kind or "", arm, row.id): row
        for (arm, kind), group in groups.items()
        for place, row in enumerate(group)
    }
    order = [ranked[rank] for rank in sorted(ranked)]
    return {Gold(number, row.lang, row.gold == "a"): row.id for number, row in enumerate(order)}
