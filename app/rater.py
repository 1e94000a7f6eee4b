"""The raters' app: the pages of views/rating.py, the images under addresses of one rater each, and a health check."""

from __future__ import annotations

import gc
import logging
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.answering import answers
from app.attempts import IMAGES
from app.database import engine
from app.headers import SecurityHeaders
from app.logs import RequestLog
from app.presenting import SIDES, example_picture
from app.shell import shell
from app.views import comparing, consenting, guiding
from evalkit.errors import EvalkitError, NotSavedError
from evalkit.settings import settings
from evalkit.store import db
from evalkit.voting import counting, images

LOG = logging.getLogger("app.rater")
NO_STORE = {"Cache-Control": "no-store"}
PAGES = (consenting, guiding, comparing)
"""Of views/rating.py: loaded with the server, so that the first raters need not wait for it"""


async def image(request: Request) -> Response:
    """A picture, for the rater whose address it is, now. It says nothing but its pixels."""
    address, now = request.client.host if request.client else "", datetime.now(UTC)
    if IMAGES.exhausted(address, now):
        return Response(status_code=429)
    try:
        content = await run_in_threadpool(_picture, request.path_params["key"], request.path_params["mac"])
    except NotSavedError as error:
        LOG.warning("image not read: %s", error)
        return Response(status_code=503, headers={"Retry-After": "2"})
    except EvalkitError as error:
        LOG.warning("image refused: %s", error)
        IMAGES.count(address, now)
        return Response(status_code=404)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, no-store"})


def _picture(key: str, mac: str) -> bytes:
    with db.session(engine(), reading=True) as session:
        return images.image_bytes(session, settings(), key, mac)


async def example(request: Request) -> Response:
    """A picture of the example, the same for everybody."""
    side = request.path_params["side"]
    if side not in SIDES:
        return Response(status_code=404)
    return Response(example_picture(side), media_type="image/png", headers={"Cache-Control": "private, no-store"})


async def health(request: Request) -> Response:
    """200 if the database answers, else 503."""
    try:
        await run_in_threadpool(_ask)
    except EvalkitError:
        LOG.exception("health")
        return JSONResponse({"status": "the database does not answer"}, status_code=503)
    return JSONResponse({"status": "ok"})


async def healthz(request: Request) -> Response:
    """For watchers and load balancers: does the database answer, is a study open. 200, or 503 where it does not.

    It names no study and counts nobody.
    """
    try:
        found = await run_in_threadpool(_open_studies)
    except EvalkitError:
        LOG.exception("healthz")
        away = {"status": "unavailable", "database": "does not answer", "study": "unknown"}
        return JSONResponse(away, 503, NO_STORE)
    there = {"status": "ok", "database": "answers", "study": "open" if found else "none open"}
    return JSONResponse(there, 200, NO_STORE)


def _open_studies() -> bool:
    with db.session(engine(), reading=True) as session:
        return counting.any_open(session)


def _ask() -> None:
    with db.session(engine(), reading=True) as session:
        session.execute(text("SELECT 1"))


app = st.App(
    Path(__file__).parent / "views" / "rating.py",
    routes=[
        Route("/", shell),
        Route("/img/{key}/{mac}", image),
        Route("/example/{side}", example),
        Route("/answers", answers, methods=["POST"]),
        Route("/health", health),
        Route("/healthz", healthz),
    ],
    middleware=[Middleware(RequestLog), Middleware(SecurityHeaders)],
)

gc.collect()
gc.freeze()  # what was loaded with the server stays: looking through it again and again would hold up every rater
