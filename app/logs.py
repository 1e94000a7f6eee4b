"""The log of a served app, in lines of JSON: EVALKIT_APP_LOG names the file, or - for the standard error.

A line holds `at` (UTC), `level`, `what` and `logger`; one of a request its route, status and milliseconds. It holds no
address of a rater, no token, no query and no path: those of images open them.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalkit.settings import settings

REQUESTS = logging.getLogger("app.requests")
OURS = ("app", "evalkit", "__main__")
"""The pages are scripts of Streamlit, which runs each as __main__"""
KNOWN = ("/", "/answers", "/health", "/healthz")


class JsonLines(logging.Formatter):
    """A record as one line; what was handed over as `extra={"facts": {...}}` beside it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "what": record.getMessage(),
            "logger": record.name,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def begin() -> bool:
    """Sends what app and evalkit log to the file or stream of the settings; says whether there is one."""
    to = settings().app_log
    if to is None:
        return False
    handler = logging.StreamHandler(sys.stderr) if to == "-" else logging.FileHandler(to, encoding="utf-8")
    handler.setFormatter(JsonLines())
    for name in OURS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    return True


class RequestLog:
    """ASGI middleware: a line for each answered request, and for each websocket when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._on = app, begin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._on or scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), [0]

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            milliseconds = round(1000 * (time.perf_counter() - started), 1)
            facts = {"route": _route(scope["path"]), "status": status[0], "ms": milliseconds}
            REQUESTS.info(scope["type"], extra={"facts": facts})


def _route(path: str) -> str:
    """The kind of address, never the address: that of an image opens it."""
    if path in KNOWN:
        return path
    kind = path.split("/")[1]
    return f"/{kind}/..." if kind in ("img", "example", "_stcore", "static") else "other"
