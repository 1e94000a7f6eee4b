"""What else differs by language: blank and flagged pictures, tokens, prompts cut off; the regression in words."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.sections import _format
from evalkit.sections._audit import Audited, Number, spoken
from evalkit.sections._blocks import Column, Table
from evalkit.sections._study import Facts
from evalkit.stats.estimate import Estimate

EXPLORATORY = (
    "Exploratory: a few languages are few clusters, and the intervals are wide for it; where languages differ in "
    "spread, a 95 % interval covers up to 3 points too seldom. What goes with tokens need not "
    "come from them."
)
MEASURES: tuple[tuple[str, str, Callable[[Estimate], str]], ...] = (
    ("language_health", "blank", _format.share),
    ("language_health", "flagged", _format.share),
    ("tokenisation", "tokens per word", _format.measure),
    ("tokenisation", "prompts cut off", _format.share),
    ("tokenisation", "share of tokens that mean nothing whole", _format.share),
)


def beside_table(audited: Audited, facts: Facts) -> Table:
    """One row a system and language, the base language first."""
    columns = (
        Column("Language", align="left"),
        Column("System", align="left"),
        Column("images", "n"),
        *(Column(title, f"{facts.confidence} interval") for title in ("blank", "flagged")),
        Column("tokens", "per original word"),
        Column("cut off", f"{facts.confidence} interval"),
        Column("broken", f"{facts.confidence} interval"),
    )
    known = list(audited.rows("language_health", "blank"))
    order = [audited.base, *audited.languages, *audited.record["controls"]]
    known.sort(key=lambda row: (order.index(row.lang), facts.systems.index(row.system)))
    rows = tuple(_row(audited, row, facts) for row in known)
    note = (
        "Tokens are those of the system's own text encoder. Cut off: the share of prompts of which it does not see the "
        "end. Broken: the share of tokens that mean nothing whole, being unknown or a piece of one character."
    )
    return Table("What else differs by language", columns, rows, note)


def token_points(audited: Audited, facts: Facts) -> tuple[str, ...]:
    """The regression of the gap on tokenisation, a sentence a system and metric."""
    rows = audited.rows("tokenisation", "gap left at the tokens of the original")
    found = [_sentence(audited, row, facts) for row in rows if row.estimate.value is not None]
    return (*found, EXPLORATORY) if found else ()


def _row(audited: Audited, row: Number, facts: Facts) -> tuple[str, ...]:
    found = [audited.one(check, measure, system=row.system, lang=row.lang) for check, measure, _ in MEASURES]
    cells = [
        write(number.estimate) if number and number.estimate.value is not None else "–"
        for number, (_, _, write) in zip(found, MEASURES, strict=True)
    ]
    return (spoken(row.lang), facts.label(row.system), _format.count(row.estimate.n), *cells)


def _sentence(audited: Audited, left: Number, facts: Facts) -> str:
    where = {"system": left.system, "group": left.group}
    slope = audited.one("tokenisation", "gap per doubling of the number of tokens", **where)
    fitted = audited.one("tokenisation", "share of variance that goes with tokenisation", **where)
    parts = [f"{facts.label(left.system)}, {left.group}:"]
    if slope is not None and slope.estimate.value is not None:
        parts.append(f"each doubling of the number of tokens goes with {_format.measure(slope.estimate, signed=True)};")
    parts.append(
        f"at as many tokens as the original, and none of them broken, a gap of "
        f"{_format.measure(left.estimate, signed=True)} would be left"
    )
    if fitted is not None and fitted.estimate.value is not None:
        parts.append(f"({_format.percent(fitted.estimate.value)} of the variation between prompts and languages).")
    share = audited.one("tokenisation", "share of the mean gap that goes with tokenisation", **where)
    if share is not None and share.estimate.value is not None:
        parts.append(f"{_format.percent(share.estimate.value)} of the mean gap goes with tokens, in these prompts.")
    return " ".join(parts)
