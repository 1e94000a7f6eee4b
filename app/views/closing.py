"""Closing a study for good. The tables are exported by the command."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app.database import engine
from evalkit.store import db
from evalkit.voting import closing, events
from evalkit.voting.monitor import Progress


def page(found: Progress) -> None:
    """Says what closing does, asks for the study's name, closes."""
    if found.closed_at:
        _closed(found)
        return
    left = found.planned - found.finished
    st.header("Close the study", anchor=False)
    st.write(
        f"{found.finished:,} of {found.planned:,} comparisons are finished, {left:,} are not. After closing, no vote is"
        " taken any more, and the votes are sealed. This cannot be undone."
    )
    with st.form("close", width=400):
        typed = st.text_input(f"Type {found.slug} to close it")
        if st.form_submit_button("Close for good", type="primary"):
            if typed.strip() != found.slug:
                st.error("That is not the study's name. Nothing was closed.")
            else:
                with db.session(engine()) as session:
                    closing.set_closed(session, found.study_id, datetime.now(UTC))
                st.rerun()


def _closed(found: Progress) -> None:
    st.header("The study is closed", anchor=False)
    with db.session(engine(), reading=True) as session:
        head = events.lines(session, found.study_id)[-1].sha
        faults = events.verify_events(session, found.study_id)
    st.write("The log is unbroken." if not faults else f"The log is broken: {'; '.join(faults)}.")
    st.write("Head of the log:")
    st.code(head, language=None)
    st.write("Write the votes into the run folder:")
    st.code(f"evalkit vote close {found.slug}", language=None)
