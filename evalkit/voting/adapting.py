"""Adaptive pairing: later sheets show more of the pairs of systems whose difference is least certain.

The rule is that of Chatbot Arena (Chiang et al. 2024, arXiv:2403.04132): a pair's weight is by how much one more vote
would narrow the standard error of its net preference. Half of each sheet stays even, so that every pair goes on being
shown and the design stays connected. The rule sees blinded arms, spreads and numbers, never who leads: exchanging two
arms changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import sqrt

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.store.tables import RaterRow, SheetRow
from evalkit.voting import amending, enough, events, stored
from evalkit.voting.decks import Plan
from evalkit.voting.drawing import Weights

WHY = "adaptive pairing"
EVEN = 0.5
"""Share of each sheet that is dealt evenly, whatever the votes say"""


def next_wave(session: Session, rater: RaterRow, now: datetime) -> bool:
    """Draws the next sheets of a study whose pairing is adaptive, if any are still planned; says whether it did."""
    study, design = rater.study, Plan.of(rater.study.spec).design
    if design.pairing == "even" or study.mode != "study" or rater.simulated:
        return False
    planned, size = study.spec["sheets"], design.wave(study.spec["sheets"])
    later = [row.detail["sheets"] for row in events.lines(session, study.id) if row.detail.get("why") == WHY]
    left = planned - size - sum(later)
    if left <= 0:
        return False
    deck, _ = stored.deck_of(session, study.id)
    seen = _people(session, study.id, amending.effective(session, study)["analysis"]["primary_question"])
    shares = weights({pair.arms for pair in deck.pairs}, seen)
    stored.draw_more(session, study, min(size, left), WHY, now, weights=shares)
    return True


def weights(pairs: Iterable[tuple[str, str]], seen: Sequence[enough.Ballot]) -> Weights:
    """The share of each pair of arms on the next sheets, from the votes so far; they add up to 1.

    The variance of a pair's votes (1, 0, -1) is taken with one vote more for either side, so that it is never zero.
    """
    gains = {two: _gain([one.value for one in seen if one.arms == two]) for two in sorted(pairs)}
    total = sum(gains.values())
    return {two: EVEN / len(gains) + (1 - EVEN) * gain / total for two, gain in gains.items()}


def _gain(values: Sequence[float]) -> float:
    n = len(values) + 2
    variance = (sum(value * value for value in values) + 2) / n - (sum(values) / n) ** 2
    return sqrt(variance / n) - sqrt(variance / (n + 1))


def _people(session: Session, study_id: int, question: str) -> list[enough.Ballot]:
    """The votes of people: a simulated panel does not steer what they see."""
    query = select(SheetRow.id).where(SheetRow.study_id == study_id, SheetRow.simulated.is_(False))
    people = set(session.scalars(query))
    cast = enough.ballots(session, study_id, question)
    return [one for sheet, several in cast.items() if sheet in people for one in several]
