"""How a design and what it can see are put into words."""

from __future__ import annotations

from evalkit.sections import _format as text
from evalkit.stats import design_search as search
from evalkit.stats.planning import DesignPower, Effects


def named(one: DesignPower) -> str:
    """ "10 prompts x 3 images, 10 raters, 300 votes (10 a comparison)"."""
    design = one.design
    images = f" x {text.plural(design.images, 'image')}" if design.images > 1 else ""
    votes = f"{text.plural(one.votes, 'vote')} ({design.votes_per_pair} a comparison)"
    return f"{text.plural(design.prompts, 'prompt')}{images}, {text.plural(design.raters, 'rater')}, {votes}"


def power(one: DesignPower) -> str:
    """ "18 % (16-20) of 2,000 simulated studies"."""
    if one.power.value is None:
        return text.missing(one.power)
    return f"{text.share(one.power)} of {one.power.n:,} simulated studies"


def width(one: DesignPower) -> str:
    """Half-width of the interval, and how many independent votes the votes are worth."""
    if one.half_width is None or one.design_effect is None:
        return "none"
    worth = f"{one.votes:,} votes are worth {one.votes / one.design_effect:,.0f} independent ones"
    return f"about ±{100 * one.half_width:.0f} points on the net preference: {worth}"


def share(effects: Effects) -> str:
    """ "57 % of decisive votes, net preference +11 points"."""
    net = f"{100 * effects.net_preference:+.0f} points".replace("-", text.MINUS)
    return f"{text.percent(search.decisive_share(effects))} of decisive votes, net preference {net}"
