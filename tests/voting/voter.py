"""A rater as a process of its own: `python -m tests.voting.voter URL RATER MODE`.

Prints a line for each answer once it is acknowledged. Mode `honest` acknowledges after the commit; `hasty`, the planted
fault, before it.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from evalkit.store import db
from evalkit.voting import serving

CHOICES = ("left", "tie", "right", "neither")
NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


def vote(url: str, rater: int, mode: str) -> None:
    engine = db.open_engine(url)
    while True:
        with db.session(engine) as session:
            shown = serving.next_comparison(session, rater, NOW)
        if shown is None:
            return
        for question in shown.questions:
            choice = CHOICES[(shown.assignment_id + len(question.name)) % 4]
            line = f"{shown.assignment_id} {question.name} {choice}"
            with db.session(engine) as session:
                serving.cast(session, rater, shown.assignment_id, question.name, choice, 700, NOW, "test")
                if mode == "hasty":
                    print(line, flush=True)
                    time.sleep(0.3)
            if mode == "honest":
                print(line, flush=True)
        with db.session(engine) as session:
            serving.finish(session, rater, shown.assignment_id, NOW)


if __name__ == "__main__":
    vote(sys.argv[1], int(sys.argv[2]), sys.argv[3])
