"""Raters and their links: who was invited, new invites, withdrawn ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import streamlit as st

from app.components import charts
from app.database import engine
from evalkit.options import listed
from evalkit.settings import settings
from evalkit.store import db
from evalkit.voting import backgrounds, invites
from evalkit.voting.monitor import Progress, RaterProgress

MADE = "made"
"""Session state: study id -> invites of this session; afterwards only their hashes are known."""


def page(found: Progress) -> None:
    """The list, then the two things that can be done."""
    _table(found.raters)
    _backgrounds(found.study_id)
    if found.closed_at:
        st.write("The study is closed: nobody can be invited any more.")
        return
    create, withdraw = st.columns(2, gap="large")
    with create:
        _create(found.study_id)
    with withdraw:
        _withdraw([rater for rater in found.raters if rater.state not in ("revoked", "expired", "erased")])


def _table(raters: Sequence[RaterProgress]) -> None:
    if not raters:
        st.write("Nobody is invited yet.")
        return
    rows = [
        {
            "rater": rater.code,
            "state": rater.state,
            "done": rater.done,
            "of": rater.total,
            "votes": votes_of(rater),
            "last vote (UTC)": f"{last:%Y-%m-%d %H:%M}" if (last := rater.handling.last_vote_at) else "",
            "who": "simulated" if rater.simulated else "person",
        }
        for rater in raters
    ]
    st.dataframe(rows, hide_index=True, height=min(36 * len(rows) + 38, 420))


def _backgrounds(study_id: int) -> None:
    with db.session(engine(), reading=True) as session:
        told = backgrounds.told(session, study_id)
    if told:
        with st.expander("What raters told of themselves (optional, by number only)"):
            most = max(number for _, _, number in told)
            for question, given in groupby(told, key=lambda one: one[0]):
                st.caption(question)
                st.altair_chart(charts.answers([(answer, number) for _, answer, number in given], most))


def votes_of(rater: RaterProgress) -> int:
    """How many votes a rater has cast."""
    return rater.handling.left + rater.handling.right + rater.handling.other


def _create(study_id: int) -> None:
    st.header("Invite", anchor=False)
    with st.form("invite"):
        count = st.number_input("Raters", min_value=1, max_value=10_000, value=1)
        days = st.number_input("Valid for, days", min_value=1, max_value=365, value=30)
        read = st.text_input("Languages they read, separated by commas (optional)", placeholder="es, en")
        back = st.text_input("Where they go when done (optional)", placeholder="https://... {code}: completion code")
        if st.form_submit_button("Make links", type="primary"):
            known = {"languages": listed(read), "return_url": back.strip() or None}
            _make(study_id, count=count, valid_days=days, **known)
            st.rerun()  # so that the list above has them too
    made = st.session_state.get(MADE, {}).get(study_id)
    if made:
        st.write(f"{len(made)} links, one rater each. They are shown here once: only their hashes are stored.")
        st.code("\n".join(invite.link for invite in made[:20]), language=None)
        st.download_button("Download as CSV", as_csv(made), "invites.csv", "text/csv")


def _make(study_id: int, **wish: Any) -> None:
    with db.session(engine()) as session:
        now, address = datetime.now(UTC), settings().app_url
        made = invites.invite(session, study_id, now=now, app_url=address, **wish)
    st.session_state.setdefault(MADE, {})[study_id] = made


def as_csv(made: Sequence[invites.Invite]) -> str:
    """rater, link, expires_at; one line an invite."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("rater", "link", "expires_at"))
    table.writerows((invite.code, invite.link, invite.expires_at.isoformat()) for invite in made)
    return out.getvalue()


def _withdraw(raters: Sequence[RaterProgress]) -> None:
    st.header("Withdraw", anchor=False)
    if not raters:
        st.write("There is no link that could be withdrawn.")
        return
    ids = {rater.code: rater.rater_id for rater in raters}
    with st.form("withdraw"):
        code = st.selectbox("Rater", list(ids))
        st.write("Votes that were cast stay; what is unfinished returns to the pool.")
        if st.form_submit_button("Withdraw the link"):
            with db.session(engine()) as session:
                invites.revoke(session, ids[code], datetime.now(UTC))
            st.rerun()
