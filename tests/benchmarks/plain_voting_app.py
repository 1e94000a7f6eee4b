"""The peer: the voting app that one writes in an hour. Two st.image, two radios, a button, a row an answer."""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

import streamlit as st

IMAGES = sorted(Path(os.environ["PLAIN_IMAGES"]).rglob("*.png"))
ANSWERS = ["left", "on par", "right", "neither"]


@st.cache_resource
def prepare() -> None:
    with sqlite3.connect(os.environ["PLAIN_DATABASE"]) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS vote(rater,pair,question,choice,PRIMARY KEY (rater,pair,question))"
        )


def save(key: str, question: str) -> None:
    with sqlite3.connect(os.environ["PLAIN_DATABASE"], timeout=15) as database:
        row = (st.session_state.rater, st.session_state.pair, question, st.session_state[key])
        database.execute("INSERT OR REPLACE INTO vote VALUES (?, ?, ?, ?)", row)


prepare()
st.session_state.setdefault("rater", uuid.uuid4().hex)
pair = st.session_state.setdefault("pair", 0)
st.write(f"{pair + 1} of {len(IMAGES) // 2}")
for side, column in enumerate(st.columns(2)):
    column.image(str(IMAGES[(2 * pair + side) % len(IMAGES)]), width="stretch")
for question in ("aesthetics", "alignment"):
    key = f"{question}{pair}"
    st.radio(question, ANSWERS, index=None, horizontal=True, key=key, on_change=save, args=(key, question))
if st.button("Next", key="next"):
    st.session_state.pair += 1
    st.rerun()
