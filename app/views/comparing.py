"""The comparison page: one component, which from then on asks app/answering.py for whatever comes next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from app import presenting
from app.components.comparison import comparison
from app.database import engine
from app.views import plain
from app.wording import wording
from evalkit.errors import NotSavedError, VotingError
from evalkit.store import db
from evalkit.voting import serving


def page(state: serving.RaterState, token: str, lang: str) -> None:
    """The comparison that the rater is at."""
    show(state, token, lang)


def show(
    state: serving.RaterState,
    token: str,
    lang: str,
    *,
    example: bool = False,
    on_over: Callable[[], None] = lambda: None,
) -> None:
    """The comparison, or in its place the example; or that all places are taken."""
    words = wording(lang)
    try:
        with db.session(engine()) as session:
            shown = presenting.comparison(session, state, token, lang, datetime.now(UTC))
    except NotSavedError:
        raise
    except VotingError:
        shown = None
    if shown is None:
        return plain.message(words, "no_more")
    said = {name: text for name, text in words.items() if not name.startswith(("consent", "about", "guide", "viewing"))}
    study = {"language": lang, "direction": words["direction"], "example": example, "words": said, "token": token}
    study["covers"] = state.covers
    study["notice"] = presenting.notice(state, words, example)
    return comparison({**study, "comparison": presenting.example(shown, words) if example else shown}, on_over)
