"""After consent: how it works, how the rater is looking, and an example that is never stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app.database import engine
from app.views import comparing
from app.views.consenting import VERSION, choice
from app.views.plain import sheet
from app.wording import wording
from evalkit.store import db
from evalkit.voting import serving

STEP = "step"
"""In the address, so that F5 does not begin anew: nothing (the instructions), `example`, `go`."""


def is_due(state: serving.RaterState) -> bool:
    """Whether a rater has not been through it: nobody who has finished a comparison, or come by the example."""
    return state.done == 0 and st.query_params.get(STEP) != "go"


def page(state: serving.RaterState, token: str, lang: str) -> None:
    """The instructions, then the example."""
    if st.query_params.get(STEP) == "example":
        return comparing.show(state, token, lang, example=True, on_over=lambda: _go("go"))
    words = wording(lang)
    with sheet(words):
        st.title(words["guide_title"], anchor=False)
        for part in ("look", "answers", "tools", "keys", "hidden"):
            st.write(words[f"guide_{part}"])
        st.header(words["viewing_head"], anchor=False)
        viewing = _viewing(words)
        covers = st.checkbox(words["viewing_covers"], value=state.covers, key="covers")
        viewing |= {"covers": covers} if covers != state.covers else {}
        if st.button(words["guide_start"], type="primary", key="example"):
            if viewing:
                with db.session(engine()) as session:
                    now, version = datetime.now(UTC), f"{VERSION}-{lang}"
                    serving.consent(session, state.rater_id, version, now, (lang,), viewing=viewing)
            _go("example")
            st.rerun()
    return None


def _viewing(words: Mapping[str, Any]) -> dict[str, Any]:
    """What the rater chose to tell, by English option."""
    told = {name: choice(words, "viewing", name) for name in ("light", "night")}
    return {name: value for name, value in told.items() if value is not None}


def _go(step: str) -> None:
    st.query_params[STEP] = step
