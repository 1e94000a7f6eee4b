"""What raters chose to tell of themselves and of how they look, counted; nobody is named."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.store.tables import RaterRow

ASKED = {
    "profession": "Work",
    "years": "Years in it",
    "colour": "Sees colours as most people do",
    "display": "Display",
    "light": "Room",
    "night": "Night mode or colour filter",
}
YEARS = ((2, "0-2"), (5, "3-5"), (10, "6-10"), (1000, "more than 10"))


def told(session: Session, study_id: int) -> list[tuple[str, str, int]]:
    """(question, answer, raters), in the order of the questions; of people who have consented."""
    mine = select(RaterRow.background, RaterRow.viewing).where(
        RaterRow.study_id == study_id, RaterRow.simulated.is_(False), RaterRow.consented_at.is_not(None)
    )
    counts: Counter[tuple[str, str]] = Counter()
    for background, viewing in session.execute(mine):
        said = {**viewing, **background}
        counts.update((name, _answer(name, said[name])) for name in ASKED if name in said)
    return [(ASKED[name], answer, number) for name in ASKED for (of, answer), number in counts.items() if of == name]


def _answer(name: str, value: object) -> str:
    if name == "years" and isinstance(value, int):
        return next(label for limit, label in YEARS if value <= limit)
    return str(value)
