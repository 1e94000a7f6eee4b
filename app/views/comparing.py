"""One comparison after the other: what the component is given, and what becomes of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app import actions
from app.components.comparison import comparison, outbox
from app.database import engine
from app.views import plain
from app.wording import wording
from evalkit.settings import settings
from evalkit.store import db
from evalkit.voting import images, invites, serving

SETTLED = "settled"
"""Session state: action id -> None (committed) or what went wrong."""


def page(state: serving.RaterState, token: str, lang: str) -> None:
    """The comparison that the rater is at."""
    words = wording(lang)
    with db.session(engine()) as session:
        shown = serving.next_comparison(session, state.rater_id, datetime.now(UTC), lang)
    if shown is None:
        return plain.message(words, "no_more")
    return comparison(_data(shown, state, token, lang), lambda: _settle(state.rater_id, words["not_saved"]))


def _settle(rater_id: int, trouble: str) -> None:
    """Runs before the page is drawn again, so that it shows what is in the database."""
    settled = st.session_state.get(SETTLED, {})
    st.session_state[SETTLED] = actions.settle(outbox(), settled, engine(), rater_id, datetime.now(UTC), trouble)


def _data(shown: serving.Presented, state: serving.RaterState, token: str, lang: str) -> dict[str, Any]:
    """All that reaches the browser. Nothing in it depends on the system that made an image."""
    words = wording(lang)
    secret, sha = images.signing_secret(settings()), invites.token_sha(token)
    minutes = round(state.estimated_minutes)
    return {
        "assignment": shown.assignment_id,
        "prompt": shown.prompt,
        "prompt_language": shown.lang,
        "language": lang,
        "direction": words["direction"],
        "left": images.image_path(secret, sha, shown.left),
        "right": images.image_path(secret, sha, shown.right),
        "questions": [{"name": q.name, "text": q.text, "answers": list(q.answers)} for q in shown.questions],
        "answers": shown.answers,
        "position": shown.position,
        "total": shown.total,
        "count": words["count"].format(position=shown.position, total=shown.total),
        "time_left": words["time_left"].format(minutes=minutes) if minutes else words["time_left_short"],
        "can_undo": shown.can_undo,
        "miniature": state.miniature,
        "acknowledged": st.session_state.get(SETTLED, {}),
        "words": {name: text for name, text in words.items() if not name.startswith(("consent", "about"))},
    }
