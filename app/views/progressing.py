"""How far a study is: by rater and by comparison."""

from __future__ import annotations

import streamlit as st

from app.components import charts
from app.database import engine
from evalkit.store import db
from evalkit.voting import enough
from evalkit.voting.monitor import Progress


def page(found: Progress) -> None:
    """Numbers first, then who is where, then which comparisons still lack answers."""
    _numbers(found)
    _enough(found)
    people = [rater for rater in found.raters if rater.done or rater.total]
    st.header("Raters", anchor=False)
    if people:
        st.altair_chart(charts.progress_by_rater(people))
    else:
        st.write("Nobody has started yet.")
    st.header("Comparisons", anchor=False)
    st.altair_chart(charts.progress_by_comparison(found.comparisons))
    reported = [comparison for comparison in found.comparisons if comparison.reports]
    if reported:
        rows = [{"prompt": c.prompt_key, "language": c.lang, "reports": c.reports} for c in reported]
        st.write("Images that raters reported:")
        st.dataframe(rows, hide_index=True)


def _enough(found: Progress) -> None:
    """The precision rule at the planned looks: how wide the interval is, never where it lies."""
    with db.session(engine(), reading=True) as session:
        rule = enough.enough(session, found.study_id)
    heading = {True: "Enough", False: "Not yet enough", None: "No stopping rule"}[rule.enough]
    st.header(heading, anchor=False)
    st.write(f"{rule.said[:1].upper()}{rule.said[1:]}.")
    if any(look.half_width is not None for look in rule.looks):
        st.altair_chart(charts.precision(rule))


def _numbers(found: Progress) -> None:
    human, median = found.votes - found.simulated_votes, found.handling.median_ms
    facts = {
        "Comparisons finished": f"{found.finished:,} of {found.planned:,}",
        "Votes by people": f"{human:,}",
        "Simulated votes": f"{found.simulated_votes:,}",
        "Places taken": f"{found.sheets_taken} of {found.sheets}",
        "Median answer": "no votes yet" if median is None else f"{median / 1000:.1f} s",
    }
    for column, (label, value) in zip(st.columns(len(facts)), facts.items(), strict=True):
        column.metric(label, value)
