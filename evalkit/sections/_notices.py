"""What stands on top of every page, in the type size of the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.sections import _format
from evalkit.sections._study import Facts, read_voting
from evalkit.sections._votes import read_votes
from evalkit.store.run import Run

MINIATURE = "Miniature: nothing here says anything about the full-size systems."
INTERIM = "Interim: the study was still open when this was made. Looking early is a deviation from its plan."
ADAPTIVE = (
    "Adaptive pairing: how often two systems met followed from the votes before. Numbers of votes differ from pair to "
    "pair by design, and the intervals hold for many votes rather than exactly."
)


def notices(run: Run, facts: Facts, *, interim: bool = False) -> list[str]:
    """The notices that this run calls for."""
    found = [MINIATURE] if any(card.miniature for card in facts.cards.values()) else []
    ballots = read_votes(run, facts)
    if ballots is not None and ballots.simulated:
        votes = _format.plural(len(ballots.counted), "vote")
        found.append(f"Simulated: all {votes} were cast by a program. They say nothing about what people prefer.")
    voting = read_voting(run)
    if (mode := voting.get("mode", "study")) != "study":
        found.append(f"{_format.sentence(str(mode))}: a rehearsal. Its votes are no result of the study.")
    if facts.study.voting and facts.study.voting.pairing == "adaptive":
        found.append(ADAPTIVE)
    return [*found, _interim(voting)] if interim else found


def _interim(voting: Mapping[str, Any]) -> str:
    """The notice with the reason that was given for the look."""
    reason = (voting.get("interim") or {}).get("reason")
    return f"{INTERIM} Reason given: {_format.tame(str(reason), 160)}." if reason else INTERIM
