"""The comparison page: one component, which from then on asks app/answering.py for whatever comes next."""

from __future__ import annotations

from datetime import UTC, datetime

from app import presenting
from app.components.comparison import comparison
from app.database import engine
from app.views import plain
from app.wording import wording
from evalkit.store import db
from evalkit.voting import serving


def page(state: serving.RaterState, token: str, lang: str) -> None:
    """The comparison that the rater is at."""
    words = wording(lang)
    with db.session(engine()) as session:
        shown = presenting.comparison(session, state, token, lang, datetime.now(UTC))
    if shown is None:
        return plain.message(words, "no_more")
    said = {name: text for name, text in words.items() if not name.startswith(("consent", "about"))}
    settings = {"language": lang, "direction": words["direction"], "miniature": state.miniature, "words": said}
    return comparison({"token": token, "comparison": shown, **settings}, on_over=lambda: None)
