"""The HTML document that Streamlit starts in, with the raters' surround in it from the first byte.

Were the style sent by the script, a rater would see Streamlit's white page and its bars first, for as long as it loads.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.wording import wording

STYLE = Path(__file__).parent / "components" / "surround" / "surround.css"


async def shell(request: Request) -> HTMLResponse:
    """The page, the same for everybody."""
    return HTMLResponse(document(), headers={"Cache-Control": "no-cache"})


@cache
def document() -> str:
    """Streamlit's index.html with our style at the end of its head."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    page = page.replace("<title>Streamlit</title>", f"<title>{wording('en')['page_title']}</title>")
    return page.replace("</head>", f"<style>{STYLE.read_text(encoding='utf-8')}</style></head>", 1)
