"""What the comparison page is made of. Nothing in it depends on the system that made an image."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.wording import wording
from evalkit.settings import settings
from evalkit.voting import images, invites, serving


def comparison(
    session: Session, state: serving.RaterState, token: str, lang: str, now: datetime
) -> dict[str, Any] | None:
    """The comparison that the rater is at, as the browser gets it; None once all are done."""
    shown = serving.next_comparison(session, state.rater_id, now, lang)
    return None if shown is None else _page(shown, state, token, lang)


def _page(shown: serving.Presented, state: serving.RaterState, token: str, lang: str) -> dict[str, Any]:
    words = wording(lang)
    secret, sha = images.signing_secret(settings()), invites.token_sha(token)
    minutes = round(state.estimated_minutes)
    return {
        "assignment": shown.assignment_id,
        "prompt": shown.prompt,
        "prompt_language": shown.lang,
        "left": images.image_path(secret, sha, shown.left),
        "right": images.image_path(secret, sha, shown.right),
        "questions": [{"name": q.name, "text": q.text, "answers": list(q.answers)} for q in shown.questions],
        "answers": shown.answers,
        "position": shown.position,
        "total": shown.total,
        "count": words["count"].format(position=shown.position, total=shown.total),
        "time_left": words["time_left"].format(minutes=minutes) if minutes else words["time_left_short"],
        "can_undo": shown.can_undo,
    }
