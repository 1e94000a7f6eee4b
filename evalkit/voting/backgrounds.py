"""What raters chose to tell of themselves and of how they look, counted; nobody is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.store import frames
from evalkit.store.tables import RaterRow

ASKED = {
    "profession": "Work",
    "years": "Years in it",
    "colour": "Sees colours as most people do",
    "display": "Display",
    "light": "Room",
    "night": "Night mode or colour filter",
}
FEWEST = 5
"""Raters who must have given the same answer before it leaves the database"""
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


def shareable(raters: Iterable[RaterRow]) -> dict[int, dict[str, str]]:
    """What may be exported of each rater: question of ASKED -> answer, "" where nothing was told.

    An answer that fewer than `FEWEST` raters gave might point to one of them: it becomes `frames.FEW`.
    """
    answers = {rater.id: _answers(rater) for rater in raters}
    counts = Counter((name, said) for told in answers.values() for name, said in told.items())
    return {
        rater: {name: said if not said or counts[name, said] >= FEWEST else frames.FEW for name, said in told.items()}
        for rater, told in answers.items()
    }


def _answers(rater: RaterRow) -> dict[str, str]:
    said = {**rater.viewing, **rater.background} if rater.consented_at else {}
    return {name: _answer(name, said[name]) if name in said else "" for name in ASKED}


def _answer(name: str, value: object) -> str:
    if name == "years" and isinstance(value, int):
        return next(label for limit, label in YEARS if value <= limit)
    return str(value)
