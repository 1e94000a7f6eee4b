"""The whole comparison as one component: two images, the questions, keys, pause, undo, report. No frame, no widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
KEY = "comparison"


def comparison(data: Mapping[str, Any], on_outbox: Callable[[], None]) -> None:
    """Shows a comparison; `on_outbox` is called when the rater did something (`outbox()` tells what)."""
    component = st.components.v2.component(
        "evalkit.comparison",
        html=_read("page.html"),
        css=_read("page.css"),
        js="\n".join(_read(path.name) for path in sorted(FOLDER.glob("*.js"))),
    )
    component(key=KEY, data=dict(data), default={"outbox": []}, on_outbox_change=on_outbox)


def outbox() -> object:
    """What the browser sent last, as it came."""
    return dict(st.session_state.get(KEY, {})).get("outbox", [])


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
