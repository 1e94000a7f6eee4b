"""The researcher's page: who may enter, choice of study, five views of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from app.database import engine
from app.views import closing, inviting, progressing, quality, rehearsing
from app.views.entering import entered, leave
from evalkit.errors import EvalkitError
from evalkit.store import db
from evalkit.store.tables import StudyRow
from evalkit.voting import monitor

LOG = logging.getLogger(__name__)
STYLE = Path(__file__).parent / "researching.css"
VIEWS = {"Progress": progressing.page, "Raters": inviting.page, "Quality": quality.page}
VIEWS |= {"Rehearsal": rehearsing.page, "Closing": closing.page}


def page() -> None:
    """Runs once for each thing that happens in a browser."""
    st.set_page_config(page_title="evalkit: studies", layout="wide")
    st.html(f"<style>{STYLE.read_text(encoding='utf-8')}</style>")
    try:
        if entered():
            _study()
    except EvalkitError as error:
        LOG.warning("%s", error)
        st.error(" ".join(filter(None, (f"{error.what}.", error.hint))))


def _study() -> None:
    with db.session(engine(), reading=True) as session:
        found = sorted(monitor.studies(session), key=lambda study: study.mode != "study")  # rehearsals last
        labels = {study.id: _label(study) for study in found}
    if not labels:
        st.title("No study is open", anchor=False)
        st.write("Open one with `evalkit vote open STUDY`, then load this page again.")
        return
    with st.sidebar:
        study_id = st.selectbox("Study", list(labels), format_func=labels.__getitem__)
        view = st.radio("View", list(VIEWS))
        st.button("Refresh")
        leave()
        st.caption("Who leads is not shown here, so that you stay blind too. It is in the report, after closing.")
    with db.session(engine(), reading=True) as session:
        progress = monitor.progress(session, study_id, datetime.now(UTC))
    _head(progress)
    VIEWS[view](progress)


def _label(study: StudyRow) -> str:
    """Name and SHA; of a rehearsal also what it is."""
    kind = "" if study.mode == "study" else f", {study.mode}"
    return f"{study.slug} {study.study_sha[:8]}{kind}"


def _head(found: monitor.Progress) -> None:
    st.title(found.slug, anchor=False)
    closed = f", closed {found.closed_at:%Y-%m-%d %H:%M} UTC" if found.closed_at else ""
    st.caption(f"{found.study_sha[:8]}, opened {found.opened_at:%Y-%m-%d %H:%M} UTC{closed}")
    if found.mode != "study":
        st.write(f"**A {found.mode}: its votes are no part of the study.**")
    if found.simulated_votes:
        counted = f"{found.simulated_votes:,} of {found.votes:,} votes are simulated"
        st.write(f"**{counted}: cast by a program, not by people.**")
    if found.miniature:
        st.write("**Miniature: nothing here says anything about the full-size systems.**")


page()
