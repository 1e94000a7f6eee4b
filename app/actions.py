"""What a rater does on the comparison page, as it arrives from the browser, done once in the database.

The browser sends its whole outbox with each action until it is told that an action is committed. So every action may
arrive several times, and each is harmless when it does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from evalkit import __version__
from evalkit.errors import NotSavedError, VotingError
from evalkit.voting import serving

LOG = logging.getLogger(__name__)


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    id: str = Field(min_length=1, max_length=64)
    assignment: int = Field(ge=0, le=2**31 - 1)


class Cast(_Action):
    """An answer to one question. `response_ms` runs from the moment both images are seen, pauses left out: days,
    in a tab that stays open; `serving.cast` counts a day of them."""

    do: Literal["cast"]
    question: str = Field(max_length=100)
    choice: Literal["left", "tie", "right", "neither"]
    response_ms: int = Field(ge=0, le=2**53 - 1)  # what a browser can count


class Finish(_Action):
    """On to the next comparison."""

    do: Literal["finish"]


class Undo(_Action):
    """Back to the comparison before `assignment`."""

    do: Literal["undo"]


class Report(_Action):
    """An image that should not be shown."""

    do: Literal["report"]
    side: Literal["left", "right"]
    reason: Literal["offensive", "disturbing", "broken", "other"]


class Reveal(_Action):
    """The text of a comparison that hid it until the first answer."""

    do: Literal["reveal"]


class Comment(_Action):
    """What the rater wants to say about the comparison; nothing removes it."""

    do: Literal["comment"]
    text: str = Field(max_length=serving.COMMENT_LENGTH)


Action = Annotated[Cast | Finish | Undo | Report | Reveal | Comment, Field(discriminator="do")]
Outbox = Annotated[tuple[Action, ...], Field(max_length=100)]


def settle(
    outbox: Sequence[Action], session: Session, rater_id: int, now: datetime, trouble: str
) -> dict[str, str | None]:
    """Does what is in an outbox, in order, inside the session's transaction: safe once that is committed.

    Args:
        trouble: what the rater is told of an action that was refused.

    Returns:
        Action id -> None if it is done, or `trouble` if nothing of it was kept.

    Raises:
        NotSavedError: the database cannot write now; the whole outbox may be sent again.
    """
    return {action.id: _attempt(action, session, rater_id, now, trouble) for action in outbox}


def _attempt(action: Action, session: Session, rater_id: int, now: datetime, trouble: str) -> str | None:
    try:
        _perform(action, session, rater_id, now)
    except NotSavedError:
        raise
    except VotingError as error:  # refused before anything of it was written
        LOG.warning("%s was refused: %s", action.do, error)
        return trouble
    return None


def _perform(action: Action, session: Session, rater_id: int, now: datetime) -> None:
    match action:
        case Cast():
            serving.cast(
                session,
                rater_id,
                action.assignment,
                action.question,
                action.choice,
                action.response_ms,
                now,
                app_version=__version__,
            )
        case Finish():
            serving.finish(session, rater_id, action.assignment, now)
        case Report():
            serving.report_image(session, rater_id, action.assignment, action.side, action.reason, now)
        case Reveal():
            serving.reveal(session, rater_id, action.assignment, now)
        case Comment():
            serving.comment(session, rater_id, action.assignment, action.text, now)
        case Undo():
            shown = serving.next_comparison(session, rater_id, now)
            if shown is not None and shown.assignment_id == action.assignment:  # else it has been undone already
                serving.undo(session, rater_id, now)
