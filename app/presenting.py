"""What the comparison page is made of. Nothing in it depends on the system that made an image."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from PIL import Image, ImageDraw
from sqlalchemy.orm import Session

from app.wording import wording
from evalkit.settings import settings
from evalkit.voting import images, invites, serving

SIDES = ("left", "right")


def comparison(
    session: Session, state: serving.RaterState, token: str, lang: str, now: datetime
) -> dict[str, Any] | None:
    """The comparison that the rater is at, as the browser gets it; None once all are done."""
    shown = serving.next_comparison(session, state.rater_id, now, lang)
    return None if shown is None else page(shown, state, token, lang)


def page(shown: serving.Presented, state: serving.RaterState, token: str, lang: str) -> dict[str, Any]:
    """A comparison as the browser gets it."""
    words = wording(lang)
    secret, sha = images.signing_secret(settings()), invites.token_sha(token)
    minutes = round(state.estimated_minutes)
    return {
        "assignment": shown.assignment_id,
        "prompt": shown.prompt,
        "prompt_language": shown.lang,
        "prompt_hidden": shown.prompt_hidden,
        "translation": shown.translation,
        "translation_language": shown.translation_lang,
        "left": images.image_path(secret, sha, shown.left),
        "right": images.image_path(secret, sha, shown.right),
        "questions": [_question(question) for question in shown.questions],
        "answers": shown.answers,
        "comment": shown.comment,
        "position": shown.position,
        "total": shown.total,
        "practice": shown.practice,
        "warned": shown.warned,
        "reported": shown.reported,
        "break_due": state.break_due,
        "count": words["count"].format(position=shown.position, total=shown.total),
        "time_left": words["time_left"].format(minutes=minutes) if minutes else words["time_left_short"],
        "can_undo": shown.can_undo,
    }


def _question(question: serving.PresentedQuestion) -> dict[str, Any]:
    return {
        "name": question.name,
        "text": question.text,
        "answers": list(question.answers),
        "needs_prompt": question.needs_prompt,
        "locked": question.locked,
    }


def notice(state: serving.RaterState, words: Mapping[str, Any], example: bool) -> str:
    """What has to be said under every comparison; mostly nothing."""
    said = [words["practice"]] if example or state.practising else []
    said += [words[state.mode]] if state.mode != "study" else []
    return " ".join([*said, *([words["miniature"]] if state.miniature else [])])


def example(shown: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """The study's own questions about two drawn pictures, to try the page on; its answers are not sent."""
    questions = [{**question, "locked": False} for question in shown["questions"]]
    sides = {side: f"/example/{side}" for side in SIDES}
    plain = {"assignment": 0, "answers": {}, "comment": "", "can_undo": False, "break_due": False, "translation": None}
    counted = {"position": 1, "total": 1, "count": "", "time_left": "", "practice": True, "prompt_hidden": False}
    counted |= {"warned": False, "reported": False}
    prompt = {"prompt": words["practice_prompt"], "prompt_language": ""}
    return {**shown, **plain, **counted, **prompt, **sides, "questions": questions}


@cache
def example_picture(side: str) -> bytes:
    """PNG, 512 x 512: a red circle on the left, a blue square on the right."""
    picture = Image.new("RGB", (512, 512), "#e8e4da")
    draw = ImageDraw.Draw(picture)
    if side == "left":
        draw.ellipse((116, 116, 396, 396), fill="#c0281f")
    else:
        draw.rectangle((136, 136, 376, 376), fill="#1f4fc0")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
