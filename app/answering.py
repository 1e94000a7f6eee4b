"""`POST /answers`: what a rater did, done and acknowledged, without running a page's script.

Answers do not go over Streamlit's websocket: there, each would run the whole page again in a thread of its own. Here an
answer costs one short transaction, needs no particular server of several, and outlives a dropped websocket.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import actions, presenting
from app.attempts import LINKS, RATERS
from app.batches import Batches
from app.database import engine
from app.wording import best_language, wording
from evalkit.errors import EvalkitError, NotSavedError, UnknownLinkError
from evalkit.settings import settings
from evalkit.store import db
from evalkit.voting import invites, serving

LOG = logging.getLogger(__name__)
MOST_BYTES = 65_536
PRIVATE = {"Cache-Control": "no-store"}


class Letter(BaseModel):
    """What the browser sends: who it is, and its outbox."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    token: str = Field(max_length=100)
    lang: str = Field(max_length=35)
    outbox: actions.Outbox


async def answers(request: Request) -> Response:
    """Acknowledges what is committed, and gives the comparison that the rater is at now, if it is another.

    200: `acknowledged`, action id -> null or what went wrong; `comparison`; `over` if the page has to be loaded anew.
    503: nothing was kept and the same may be sent again, as after no answer at all. 400, 403, 413, 429: refused.
    """
    now, address = datetime.now(UTC), request.client.host if request.client else ""
    letter = await _letter(request)
    if isinstance(letter, Response):
        return letter
    if RATERS.exhausted(letter.token, now):
        return JSONResponse({}, 429, PRIVATE | {"Retry-After": "10"})
    RATERS.count(letter.token, now)
    try:
        if LINKS.exhausted(address, now) and not await run_in_threadpool(_is_known, letter.token):
            return JSONResponse({}, 429, PRIVATE | {"Retry-After": "10"})
        return JSONResponse(await _settled(letter, now), headers=PRIVATE)
    except NotSavedError as error:
        LOG.warning("not saved: %s", error)
        return JSONResponse({}, 503, PRIVATE | {"Retry-After": "2"})
    except EvalkitError as error:
        LOG.warning("refused: %s", error)
        if isinstance(error, UnknownLinkError):
            LINKS.count(address, now)
        return JSONResponse({"over": True}, 403, PRIVATE)


def _is_known(token: str) -> bool:
    """Guesses are slowed by address; whoever has a link is not, though many people may share the address."""
    with db.session(engine(), reading=True) as session:
        return invites.is_known(session, token)


async def _letter(request: Request) -> Letter | Response:
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        return JSONResponse({}, 415, PRIVATE)  # what another site's form can send is none
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return JSONResponse({}, 413, PRIVATE)
    try:
        return Letter.model_validate_json(body)
    except ValidationError as error:
        LOG.warning("an outbox that is none: %s", error.errors(include_input=False, include_url=False)[:1])
        return JSONResponse({}, 400, PRIVATE)


async def _settled(letter: Letter, now: datetime) -> dict[str, Any]:
    """SQLite has one writer at a time: there, letters that arrive together are committed together."""
    if db.is_embedded(settings().database):
        return await TOGETHER.ask((letter, now))
    return await run_in_threadpool(_settle_alone, letter, now)


def _settle_alone(letter: Letter, now: datetime) -> dict[str, Any]:
    with db.session(engine()) as session:
        return _settle(session, letter, now)


def _settle_together(letters: Sequence[tuple[Letter, datetime]]) -> list[dict[str, Any] | Exception]:
    with db.session(engine()) as session:
        return [_part(session, *letter) for letter in letters]


TOGETHER = Batches(_settle_together)


def _part(session: Session, letter: Letter, now: datetime) -> dict[str, Any] | Exception:
    """What became of one letter of several: one that is refused leaves the others as they are."""
    try:
        with db.part(session):
            return _settle(session, letter, now)
    except (NotSavedError, DBAPIError):
        raise
    except Exception as error:  # of this letter alone, whatever it is
        return error


def _settle(session: Session, letter: Letter, now: datetime) -> dict[str, Any]:
    lang = best_language(letter.lang)
    rater = invites.find(session, letter.token, now)
    settled = actions.settle(letter.outbox, session, rater.id, now, wording(lang)["not_saved"])
    if all(action.do in ("cast", "report", "comment") and settled[action.id] is None for action in letter.outbox):
        return {"acknowledged": settled}
    return {"acknowledged": settled, **_whereabouts(session, rater.id, letter.token, lang, now)}


def _whereabouts(session: Session, rater_id: int, token: str, lang: str, now: datetime) -> dict[str, Any]:
    """The comparison that the rater is at, or that there is none."""
    state, shown = serving.whereabouts(session, rater_id, now, lang)
    if shown is None:
        return {"over": True}
    page = presenting.page(shown, state, token, lang)
    return {"comparison": page, "notice": presenting.notice(state, wording(lang), example=False)}
