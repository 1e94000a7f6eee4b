"""How far a study is: by rater and by comparison."""

from __future__ import annotations

import streamlit as st

from app.components import charts
from evalkit.voting.monitor import Progress


def page(found: Progress) -> None:
    """Numbers first, then who is where, then which comparisons still lack answers."""
    _numbers(found)
    people = [rater for rater in found.raters if rater.done or rater.total]
    st.subheader("Raters", anchor=False)
    if people:
        st.altair_chart(charts.progress_by_rater(people))
    else:
        st.write("Nobody has started yet.")
    st.subheader("Comparisons", anchor=False)
    st.altair_chart(charts.progress_by_comparison(found.comparisons))
    reported = [comparison for comparison in found.comparisons if comparison.reports]
    if reported:
        rows = [{"prompt": c.prompt_key, "language": c.lang, "reports": c.reports} for c in reported]
        st.write("Images that raters reported:")
        st.dataframe(rows, hide_index=True)


def _numbers(found: Progress) -> None:
    human, median = found.votes - found.simulated_votes, found.handling.median_ms
    facts = {
        "Comparisons finished": f"{found.finished:,} of {found.planned:,}",
        "Votes by people": f"{human:,}",
        "Simulated votes": f"{found.simulated_votes:,}",
        "Places taken": f"{found.sheets_taken} of {found.sheets}",
        "Median time": "no votes yet" if median is None else f"{median / 1000:.1f} s",
    }
    for column, (label, value) in zip(st.columns(len(facts)), facts.items(), strict=True):
        column.metric(label, value)
