"""The result in plain words: what was compared, by how many people, what was found, how sure."""

from __future__ import annotations

from evalkit.sections import _claims, _format
from evalkit.sections._study import Facts
from evalkit.sections._votes import Ballots, Contrast


def in_plain_words(ballots: Ballots, found: list[Contrast], facts: Facts) -> tuple[str, ...]:
    """Three sentences or four, without a term of statistics."""
    counted = [contrast for contrast in found if contrast.n]
    if not counted:
        return ()
    return (_compared(ballots, facts), *(_found(contrast, facts) for contrast in counted[:4]), _sure(counted, facts))


def _compared(ballots: Ballots, facts: Facts) -> str:
    votes = ballots.counted
    judges = "program" if ballots.simulated else "person"
    people = _people(int(votes["rater"].nunique()), judges)
    left_out = int((ballots.raters["excluded_because"] != "").sum() - (ballots.raters["n_votes"] == 0).sum())
    without = f" (the votes of {_format.count(left_out)} more do not count)" if left_out > 0 else ""
    pairs = len(votes[["image_a", "image_b"]].drop_duplicates())
    names = _format.listed([facts.label(name) for name in facts.systems])
    prompts = _format.plural(int(votes["prompt_key"].nunique()), "prompt")
    return (
        f"Compared: {names}, side by side and without their names, on {_format.plural(pairs, 'pair')} of images of "
        f"{prompts}. {_format.sentence(people)}{without} gave {_format.plural(len(votes), 'answer')}."
    )


def _people(n: int, judge: str) -> str:
    words = {"person": ("person", "people"), "program": ("program that plays a rater", "programs that play raters")}
    return f"{_format.count(n)} {words[judge][0 if n == 1 else 1]}"


def _found(contrast: Contrast, facts: Facts) -> str:
    """Of 100 votes, who got how many."""
    shares = {answer: 100 * (contrast.shares[answer].value or 0.0) for answer in contrast.answers}
    first, second, tie, neither = contrast.answers
    topic = facts.question(contrast.question)
    pair = f", {facts.label(first)} v {facts.label(second)}" if len(facts.pairs) > 1 else ""
    return (
        f"Found ({topic.lower()}{pair}): of 100 votes about {shares[first]:.0f} went to {facts.label(first)}, "
        f"{shares[second]:.0f} to {facts.label(second)}; {shares[tie]:.0f} called them equal and {shares[neither]:.0f} "
        "found both bad."
    )


def _sure(found: list[Contrast], facts: Facts) -> str:
    contrast = found[0]
    estimate = contrast.preference.estimate
    if estimate.low is None or estimate.high is None:
        return f"How sure: that cannot be said. {_format.sentence(estimate.note or 'there is no interval')}."
    leader = "the first" if estimate.low > 0 else "the second" if estimate.high < 0 else ""
    names = {"the first": contrast.first, "the second": contrast.second}
    ends = sorted(abs(100 * bound) for bound in (estimate.low, estimate.high))
    if leader:
        span = f"ahead by anything from {ends[0]:.0f} to {ends[1]:.0f} votes in 100"
        said = f"with other prompts and other raters of this kind, {facts.label(names[leader])} would be {span}"
    else:
        said = (
            "with other prompts and other raters of this kind, either could be ahead: "
            f"{facts.label(contrast.second)} by up to {abs(100 * estimate.low):.0f} votes in 100, "
            f"{facts.label(contrast.first)} by up to {100 * estimate.high:.0f}"
        )
    topic = facts.question(contrast.question).lower()
    return f"How sure ({topic}): {said} ({facts.confidence} interval). {_claims.finding(contrast, facts)}."
