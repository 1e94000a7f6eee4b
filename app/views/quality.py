"""Whether the answers look careful: golds, repeats, speed, sides. Nothing here says which system is ahead."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.components import charts
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.voting.monitor import Progress, RaterProgress

ENOUGH_MS = 1000
"""Below a second, two images and a text cannot have been looked at."""


def page(found: Progress) -> None:
    """Whom the rules exclude, then golds, repeats, speed and sides, each as a sentence and a chart."""
    voters = [rater for rater in found.raters if rater.handling.last_vote_at]
    if not voters:
        st.write("No votes yet, so there is nothing to say about their quality.")
        return
    _excluded(found.raters)
    _checks(voters)
    st.header("Speed", anchor=False)
    hasty = [
        rater.code for rater in voters if rater.handling.median_ms is not None and rater.handling.median_ms < ENOUGH_MS
    ]
    slow_enough = "Every rater's median is above one second."
    st.write(f"Median below one second: {', '.join(hasty)}." if hasty else slow_enough)
    st.altair_chart(charts.speed(voters))
    st.header("Sides", anchor=False)
    st.write(side_sentence(found.handling.left_share))
    st.altair_chart(charts.sides(voters))


def _excluded(raters: Sequence[RaterProgress]) -> None:
    out = [rater for rater in raters if rater.excluded_because]
    st.header("The frozen rules", anchor=False)
    if not out:
        st.write("As things stand, the study's rules exclude nobody.")
        return
    st.write("As things stand, the study's rules exclude these; the report shows the result with and without them.")
    st.dataframe([{"rater": one.code, "because": one.excluded_because} for one in out], hide_index=True)


def _checks(voters: Sequence[RaterProgress]) -> None:
    """Golds and repeats, each with n and interval."""
    for title, what, right, answered in (
        ("Golds", "answered rightly", "golds_right", "golds_answered"),
        ("Repeats", "answered alike both times", "repeats_alike", "repeats_answered"),
    ):
        good, of = (sum(getattr(one.conduct, name) for one in voters) for name in (right, answered))
        st.header(title, anchor=False)
        st.write(share_sentence(good, of, f"{title.lower()} {what}"))
        if of:
            st.altair_chart(charts.shares(voters, right, answered, f"{title.lower()} {what}"))


def share_sentence(good: int, of: int, what: str) -> str:
    """A share with its interval and n, or that there is none."""
    share = wilson(good, of)
    if share.value is None or share.low is None or share.high is None:
        return f"No {what.split()[0]} yet."
    interval = f"{100 * share.value:.0f} % ({100 * share.low:.0f}-{100 * share.high:.0f}), n = {share.n}"
    return f"{what[:1].upper()}{what[1:]}: {interval}."


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
