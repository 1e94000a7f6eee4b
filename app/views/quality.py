"""Whether the answers look careful: speed and sides. Nothing here says which system is ahead."""

from __future__ import annotations

import streamlit as st

from app.components import charts
from evalkit.stats.estimate import Estimate
from evalkit.voting.monitor import Progress

ENOUGH_MS = 1000
"""Below a second, two images and a text cannot have been looked at."""


def page(found: Progress) -> None:
    """Speed, then sides, each as a sentence and a chart."""
    voters = [rater for rater in found.raters if rater.handling.last_vote_at]
    if not voters:
        st.write("No votes yet, so there is nothing to say about their quality.")
        return
    st.subheader("Speed", anchor=False)
    hasty = [
        rater.code for rater in voters if rater.handling.median_ms is not None and rater.handling.median_ms < ENOUGH_MS
    ]
    slow_enough = "Every rater's median is above one second."
    st.write(f"Median below one second: {', '.join(hasty)}." if hasty else slow_enough)
    st.altair_chart(charts.speed(voters))
    st.subheader("Sides", anchor=False)
    st.write(side_sentence(found.handling.left_share))
    st.altair_chart(charts.sides(voters))


def side_sentence(share: Estimate) -> str:
    """The share of the left side, with its interval and n."""
    if share.value is None or share.low is None or share.high is None:
        return "No vote was for a side yet."
    low, high = round(100 * share.low), round(100 * share.high)
    fair = (
        "as expected when sides are balanced"
        if share.low <= 0.5 <= share.high
        else "away from 50 %: a side is favoured"
    )
    left = f"{100 * share.value:.0f} % ({low}-{high})"
    return f"Left was preferred in {left} of the votes for a side, n = {share.n}: {fair}."
