"""The language audit in words that somebody who has never heard of CLIPScore can act on."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._audit import Audited, Number, spoken
from evalkit.sections._study import Facts
from evalkit.spec.language import name_of
from evalkit.stats.estimate import Estimate

FEW_READ = 0.5


def title(audited: Audited, facts: Facts) -> str:
    """The finding, over all systems and the first metric."""
    gaps = _gaps(audited)
    worse = {gap.lang for gap in gaps if is_worse(gap, facts)}
    tested = {gap.lang for gap in gaps if gap.p_holm is not None}
    base = name_of(audited.base)
    if not tested:
        return f"No language could be compared with {base}"
    if not worse:
        return f"No gap to {base} was shown in {_format.plural(len(tested), 'language')}"
    others = _format.plural(len(tested), "other language")
    return f"Prompts in {len(worse)} of {others} are followed less well than in {base}"


def answer(audited: Audited, facts: Facts) -> str:
    """One paragraph: is it worse for people who don't write English, how much, and in which languages?"""
    said = " ".join(_of_system(audited, facts, system) for system in facts.systems)
    scale = " (100 %: as far from the prompt as a picture of something else)" if "is lost" in said else ""
    said = said.replace("is lost;", f"is lost{scale};", 1) if "is lost;" in said else said
    return f"Is it worse for people who don't write {name_of(audited.base)}? {said}"


def figure_title(audited: Audited, metric: str) -> str:
    found = [gap for gap in audited.rows("language_gap", "gap", group=metric) if gap.lang in audited.languages]
    known = [gap for gap in found if gap.estimate.value is not None]
    if not known:
        return f"{metric}: no gap could be computed"
    worst = min(known, key=lambda gap: gap.estimate.value or 0.0)
    return f"{metric}: the largest gap is {spoken(worst.lang)}, {_format.measure(worst.estimate, signed=True)}"


def trust(audited: Audited, facts: Facts) -> tuple[str, ...]:
    """Controls, sample size, translations in doubt and translations that nobody has read."""
    points = [_control(row, facts) for row in audited.rows("language_gap", "equivalence")]
    prompts = {gap.estimate.prompts for gap in _gaps(audited) if gap.estimate.prompts}
    if prompts:
        few = " Below 8 there is no interval." if min(prompts) < 8 else ""
        many = f"{min(prompts)}" if len(prompts) == 1 else f"{min(prompts)} to {max(prompts)}"
        points.append(f"The prompts are the sample size: {many} a language.{few}")
    points += [*_cross_checks(audited, facts), *_translations(audited)]
    return tuple(points)


def is_worse(gap: Number, facts: Facts) -> bool:
    """A gap below zero that a Holm-adjusted test shows."""
    alpha = 1 - facts.study.analysis.confidence
    return gap.p_holm is not None and gap.p_holm < alpha and (gap.estimate.value or 0.0) < 0


def _gaps(audited: Audited, **where: str) -> list[Number]:
    """Gaps of languages (no controls) by the headline metric."""
    rows = audited.rows("language_gap", "gap", group=audited.headline, **where)
    return [gap for gap in rows if gap.lang in audited.languages]


def _of_system(audited: Audited, facts: Facts, system: str) -> str:
    gaps = _gaps(audited, system=system)
    known = sorted((gap for gap in gaps if gap.estimate.value is not None), key=lambda gap: gap.estimate.value or 0.0)
    if not known:
        return f"For {facts.label(system)} no language could be compared."
    worse = [gap for gap in known if is_worse(gap, facts)]
    if not worse:
        return (
            f"For {facts.label(system)} this was not shown in any of {_format.plural(len(known), 'language')}; that is "
            "not proof that there is no difference."
        )
    open_ = [name_of(gap.lang) for gap in known if gap not in worse]
    rest = f" Not shown: {_format.listed(open_)}." if open_ else ""
    return (
        f"For {facts.label(system)}, yes: in {len(worse)} of {_format.plural(len(known), 'language')} the same "
        f"prompts give pictures that fit their meaning less well. {_extreme(audited, worse[0], 'Most')}"
        f"{_extreme(audited, worse[-1], 'least') if len(worse) > 1 else ''}.{rest}"
    )


def _extreme(audited: Audited, gap: Number, word: str) -> str:
    """ "Most in Hindi: 92 % (84-99) of what the prompt achieves is lost"."""
    lost = audited.one("language_gap", "share lost", system=gap.system, lang=gap.lang, group=gap.group)
    joint = "" if word == "Most" else "; "
    if lost is None or lost.estimate.value is None:
        return f"{joint}{word} in {name_of(gap.lang)}: {_format.measure(gap.estimate, signed=True)} points"
    of = " of what the English prompt achieves is lost" if word == "Most" and audited.base == "en" else ""
    of = of or (" of what the original prompt achieves is lost" if word == "Most" else "")
    return f"{joint}{word} in {name_of(gap.lang)}: {lost_text(lost.estimate)}{of}"


def lost_text(estimate: Estimate) -> str:
    """ "48 % (45-52)", and above 100 % too: further from the prompt than an unrelated picture."""
    value, low, high = (None if x is None else f"{x * 100:.0f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} % ({low} to {high})" if low is not None else f"{value} % (no interval)"


def _control(row: Number, facts: Facts) -> str:
    return (
        f"Control, {facts.label(row.system)}: the same scenes in {spoken(row.lang)} differ by "
        f"{_format.measure(row.estimate, signed=True)}: {row.estimate.note} ({_format.p_text(row.p)})."
    )


def _cross_checks(audited: Audited, facts: Facts) -> list[str]:
    """Whether the languages with a gap have one by a multilingual encoder too, against their own texts."""
    points = []
    for metric in audited.record["units"]:
        for system in facts.systems:
            known = list(audited.rows("language_gap", "gap", system=system, group=metric))
            own = [gap for gap in known if "own text" in gap.signature and gap.lang in audited.languages]
            if own:
                first = {gap.lang for gap in _gaps(audited, system=system) if is_worse(gap, facts)}
                there = {gap.lang for gap in own if is_worse(gap, facts)}
                points.append(
                    f"Cross-check by {metric} against each language's own text, {facts.label(system)}: a gap in "
                    f"{len(there)} of {_format.plural(len(own), 'language')}, {len(there & first)} of the "
                    f"{len(first)} that have one by {audited.headline} among them."
                )
    return points


def _gendered(audited: Audited) -> list[str]:
    """Translations that add a gender, and the gap by the first metric without them."""
    metric, points = audited.headline, []
    for row in audited.rows("translation_quality", "adds a gender"):
        if row.estimate.value:
            without = audited.rows(
                "language_gap", "gap without translations that add a gender", lang=row.lang, group=metric
            )
            gaps = _format.listed([f"{gap.system} {_format.measure(gap.estimate, signed=True)}" for gap in without])
            points.append(
                f"Translations into {name_of(row.lang)} that add a gender which the original leaves open, as their "
                f"readers say: {_format.share(row.estimate)}. The gap without them: {gaps or 'no value'}."
            )
    return points


def _translations(audited: Audited) -> list[str]:
    doubt = [row for row in audited.rows("translation_quality", "in doubt") if row.estimate.value]
    read = [row for row in audited.rows("translation_quality", "read by people") if row.estimate.value is not None]
    unread = [name_of(row.lang) for row in read if (row.estimate.value or 0.0) < FEW_READ]
    points = []
    if doubt:
        named = ", ".join(f"{name_of(row.lang)} {_format.share(row.estimate)}" for row in doubt)
        points.append(f"Translations in doubt: {named}. The table shows the gap without them.")
    points += _gendered(audited)
    if unread:
        points.append(
            f"Nobody who speaks them is known to have read most prompts in {_format.listed(unread)}: part of those "
            "gaps may be the translation's fault."
        )
    return points
