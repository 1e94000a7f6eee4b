"""Consent, before anything is shown or stored; and what the rater chooses to tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app.components.surround import window
from app.database import engine
from app.views.plain import sheet
from app.wording import languages, wording
from evalkit.store import db
from evalkit.voting import serving

VERSION = "2"
"""Of the text of the consent; goes up when its meaning changes."""


def page(state: serving.RaterState, lang: str) -> None:
    """The text, the optional questions and the button."""
    words = wording(lang)
    with sheet(words):
        viewing = window()
        _language(lang, words)
        st.title(words["consent_title"], anchor=False)
        _text(state, words)
        with st.expander(words["about_head"]):
            background = _about(words)
        agreed = st.checkbox(words["consent_agree"], key="agreed")
        if st.button(words["consent_start"], type="primary", key="start"):
            if agreed:
                _start(state, lang, background, viewing)
            st.write(words["consent_needed"])


def _language(lang: str, words: Mapping[str, Any]) -> None:
    codes = list(languages())
    with st.container(key="language"):
        chosen = st.selectbox(
            words["language"], codes, codes.index(lang), languages().__getitem__, label_visibility="collapsed"
        )
    if chosen != lang:
        st.query_params["lang"] = chosen
        st.rerun()


def _text(state: serving.RaterState, words: Mapping[str, Any]) -> None:
    facts = {"total": state.total, "minutes": max(1, round(state.estimated_minutes))}
    erasure = "consent_withdraw_drop" if state.drops_answers else "consent_withdraw_keep"
    for part in ("what", "long", "stored", "withdraw", "contact"):
        st.header(words[f"consent_{part}_head"], anchor=False)
        st.write(words[erasure if part == "withdraw" else f"consent_{part}"].format(**facts))
    if state.warns:
        st.header(words["consent_warning_head"], anchor=False)
        st.write(words["consent_warning"])
    if state.miniature:
        st.caption(words["miniature"])


def _about(words: Mapping[str, Any]) -> dict[str, Any]:
    """The answers by English option, so that languages can be counted together; what was left open is left out."""
    told: dict[str, str | int | None] = {"profession": choice(words, "about", "profession")}
    told["years"] = st.number_input(words["about_years"], min_value=0, max_value=80, value=None, key="years")
    told |= {name: choice(words, "about", name) for name in ("colour", "display")}
    return {name: value for name, value in told.items() if value is not None}


def choice(words: Mapping[str, Any], part: str, name: str) -> str | None:
    """An optional question of the catalogue; the answer in English, whatever language it was given in."""
    options, stored = words[f"{part}_{name}s"], wording("en")[f"{part}_{name}s"]
    chosen = st.selectbox(words[f"{part}_{name}"], options, index=None, placeholder=words["not_told"], key=name)
    return None if chosen is None else str(stored[options.index(chosen)])


def _start(state: serving.RaterState, lang: str, background: dict[str, Any], viewing: dict[str, Any]) -> None:
    with db.session(engine()) as session:
        now = datetime.now(UTC)
        serving.consent(session, state.rater_id, f"{VERSION}-{lang}", now, (lang,), background, viewing)
    st.rerun()
