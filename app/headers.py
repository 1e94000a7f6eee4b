"""Security headers on every answer, as tight as Streamlit's page allows; and cookies that no other site can use."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RATER_SCRIPTS = "'self' blob:"
"""Files of the app, components (which Streamlit loads from blobs), and the one script in the document, by its hash."""
RESEARCHER_SCRIPTS = f"{RATER_SCRIPTS} 'unsafe-eval'"
"""Its charts (Vega) compile expressions"""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
}
READ_BY_THE_PAGE = "_streamlit_xsrf"
"""The one cookie that Streamlit's own script has to read: HttpOnly would break it."""


def policy(scripts: str) -> str:
    """The Content-Security-Policy. Styles are inline throughout Streamlit's page; scripts are not."""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src {scripts} {_inline()}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _inline() -> str:
    """Hashes of the scripts that stand in Streamlit's document."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    found = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found)


class SecurityHeaders:
    """ASGI middleware that adds HEADERS and the policy to every answer, and SameSite to every cookie."""

    def __init__(self, app: ASGIApp, scripts: str = RATER_SCRIPTS) -> None:
        self._app, self._headers = app, HEADERS | {"Content-Security-Policy": policy(scripts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                _close_cookies(headers)
            await send(message)

        await self._app(scope, receive, sealed)


def _close_cookies(headers: MutableHeaders) -> None:
    cookies = headers.getlist("set-cookie")
    if not cookies:
        return
    del headers["set-cookie"]
    for cookie in cookies:
        said = cookie.lower()
        cookie += "" if "samesite" in said else "; SameSite=Lax"
        cookie += "" if "httponly" in said or said.startswith(READ_BY_THE_PAGE) else "; HttpOnly"
        headers.append("set-cookie", cookie)
