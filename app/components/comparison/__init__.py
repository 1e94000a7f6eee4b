"""The whole comparison as one component: two images, the questions, keys, pause, undo, report. No frame, no widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
KEY = "comparison"


def comparison(data: Mapping[str, Any], on_over: Callable[[], None]) -> None:
    """Shows a comparison and all that follow; `on_over` is called when there is none any more."""
    component = st.components.v2.component(
        "evalkit.comparison",
        html=_read("page.html"),
        css=_read("page.css"),
        js="\n".join(_read(path.name) for path in sorted(FOLDER.glob("*.js"))),
    )
    component(key=KEY, data=dict(data), on_over_change=on_over)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
