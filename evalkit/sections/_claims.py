"""What may be said of two systems: a preference, parity, or that neither was shown. One sentence, with its numbers."""

from __future__ import annotations

from typing import Literal

from evalkit.sections import _format
from evalkit.sections._study import Facts
from evalkit.sections._votes import Contrast
from evalkit.spec.study import TIE

FEW_PROMPTS = 30
Verdict = Literal["no votes", "no test", "preferred", "on par", "open"]


def verdict(contrast: Contrast, facts: Facts) -> Verdict:
    """The claim that the tests allow: not rejecting a difference is never parity, that needs its own test."""
    if contrast.n == 0:
        return "no votes"
    if contrast.on_par.equivalent is None:
        return "no test"
    if contrast.holm_p is not None and contrast.holm_p < 1 - facts.study.analysis.confidence:
        return "preferred"
    return "on par" if contrast.on_par.equivalent else "open"


def finding(contrast: Contrast, facts: Facts) -> str:
    """The claim in a few words, for a title."""
    topic = facts.question(contrast.question)
    said = verdict(contrast, facts)
    words = {
        "no votes": "no votes",
        "no test": "no conclusion is possible",
        "preferred": f"{winner(contrast, facts)} was preferred",
        "on par": f"on par within {margin(facts)}",
        "open": "neither a preference nor parity was shown",
    }
    return f"{topic}: {words[said]}"


def findings(found: list[Contrast], facts: Facts) -> str:
    """The findings on one pair, questions with the same finding named together."""
    questions: dict[str, list[str]] = {}
    for contrast in found:
        topic, _, words = finding(contrast, facts).partition(": ")
        questions.setdefault(words, []).append(topic.lower())
    said = "; ".join(f"{_format.listed(topics)}: {words}" for words, topics in questions.items())
    return _format.sentence(said)


def claim(contrast: Contrast, facts: Facts) -> str:
    """The claim as one sentence with its numbers."""
    first, second = facts.label(contrast.first), facts.label(contrast.second)
    topic, said = facts.question(contrast.question).lower(), verdict(contrast, facts)
    if said == "no votes":
        return f"On {topic}, nobody has compared {first} with {second} yet: there is no result."
    figures = f"net preference for {first} over {second} {_format.points(contrast.preference.estimate)}"
    n = _format.sizes(contrast.preference.estimate)
    if said == "no test":
        reason = contrast.preference.estimate.note or "there is no interval"
        return f"On {topic}, no conclusion is possible: {figures}, {n}; {reason}."
    tests = f"{_format.p_text(contrast.holm_p)}{holm_words(facts)}"
    parity = f"parity within {margin(facts)}"
    words = {
        "preferred": f"{winner(contrast, facts)} was preferred: {figures}, {tests}"
        f"{', yet the difference lies within ' + margin(facts) if contrast.on_par.equivalent else ''}",
        "on par": f"{parity} was shown ({_format.p_text(contrast.on_par.test.p)}): {figures}",
        "open": f"neither a preference nor {parity} was shown: {figures}, {tests}",
    }
    return f"On {topic}, {words[said]}, {n}.{scope_words(contrast)}"


def four_shares(contrast: Contrast, facts: Facts) -> str:
    """ "41 % A, 31 % B, 26 % on par, 2.1 % neither", with intervals."""
    return _format.listed(
        [
            f"{facts.label(answer).lower() if answer in (TIE, 'neither') else facts.label(answer)} "
            f"{_format.share(contrast.shares[answer])}"
            for answer in contrast.answers
        ]
    )


def sample_size(contrast: Contrast) -> str | None:
    """What the sample size is, in words, where prompts or raters are few."""
    prompts, raters = contrast.preference.estimate.prompts or 0, contrast.preference.estimate.raters or 0
    if not contrast.n or min(prompts, raters) >= FEW_PROMPTS:
        return None
    which = f"the prompts, {prompts}," if prompts <= raters else f"the raters, {raters},"
    return (
        f"The smaller of prompts ({prompts}) and raters ({raters}) is the sample size: {which} limit what can be "
        f"known, and more votes on the same {'prompts' if prompts <= raters else 'raters'} would hardly help."
    )


def winner(contrast: Contrast, facts: Facts) -> str:
    return facts.label(contrast.first if (contrast.preference.estimate.value or 0) > 0 else contrast.second)


def margin(facts: Facts) -> str:
    """ "±10 points"."""
    return f"±{facts.study.analysis.equivalence_margin * 100:g} points"


def holm_words(facts: Facts) -> str:
    """Says so where p is adjusted for several tests."""
    tests = len(facts.asked) * len(facts.pairs)
    return f" (Holm over {tests} tests)" if tests > 1 else ""


def scope_words(contrast: Contrast) -> str:
    """Of whom the interval speaks, where it does not speak of new raters."""
    scope = contrast.preference.scope
    return "" if scope == "new prompts and new raters" else f" The interval speaks of new prompts and {scope}."
