"""Pilots and previews: copies of a study whose votes can never mix with the study's."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app.database import engine
from evalkit.settings import settings
from evalkit.store import db
from evalkit.voting import invites, rehearsing
from evalkit.voting.monitor import Progress

PREVIEWED = "previewed"
"""Session state: study id -> the link of a preview made in this session"""


def page(found: Progress) -> None:
    """What each is for, and a button for each."""
    if found.mode != "study":
        st.write(f"This is a {found.mode}. Its votes stay here; choose the study itself to begin another.")
        return
    if found.closed_at:
        st.write("The study is closed: there is nothing to rehearse any more.")
        return
    preview, pilot = st.columns(2, gap="large")
    with preview:
        st.header("Preview", anchor=False)
        st.write("See the study as a rater does. One link, for you; what you answer is kept apart.")
        if st.button("Make a preview", key="preview"):
            _preview(found.study_id)
        link = st.session_state.get(PREVIEWED, {}).get(found.study_id)
        if link:
            st.link_button("Open the preview", link)
            st.code(link, language=None)
    with pilot:
        st.header("Pilot", anchor=False)
        st.write("Try the study on a few raters. It appears under its own name at Study; invite raters there.")
        with st.form("pilot"):
            sheets = st.number_input("Raters", min_value=1, max_value=100, value=3)
            if st.form_submit_button("Begin a pilot", type="primary"):
                with db.session(engine()) as session:
                    rehearsing.rehearse(session, found.study_id, "pilot", datetime.now(UTC), int(sheets))
                st.rerun()


def _preview(study_id: int) -> None:
    with db.session(engine()) as session:
        now, address = datetime.now(UTC), settings().app_url
        made = rehearsing.rehearse(session, study_id, "preview", now, 1)
        invite = invites.invite(session, made, count=1, valid_days=7, now=now, app_url=address)[0]
    st.session_state.setdefault(PREVIEWED, {})[study_id] = invite.link
