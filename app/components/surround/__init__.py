"""What surrounds the raters' pages: a style (put into the document by app/shell.py), and the window's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
KEY = "window"


def window() -> dict[str, Any]:
    """Viewport, device pixel ratio and preferred scheme of the rater's browser; empty until it has told them."""
    component = st.components.v2.component("evalkit.window", js=(FOLDER / "window.js").read_text(encoding="utf-8"))
    told = component(key=KEY, default={"viewing": {}}, on_viewing_change=lambda: None).get("viewing")
    allowed: dict[str, tuple[type, ...]] = {
        "width": (int,), "height": (int,), "pixel_ratio": (int, float), "dark": (bool,), "touch": (bool,),
    }  # fmt: skip
    if not isinstance(told, dict):
        return {}
    return {name: told[name] for name, kind in allowed.items() if isinstance(told.get(name), kind)}
