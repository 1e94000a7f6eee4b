"""Which row of a table is which answer, by its words: systems, on par, neither; or a total, or a number of votes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from evalkit.registry import unknown

Role = Literal["system", "tie", "neither", "total", "size"]
NEITHER = re.compile(
    r"\b(neither|none|no good|bad|poor|nothing|keins?|keines|weder|aucune?|ningun[oa]|nenhuma?|nessuno)\b"
    r"|bothbad|两个都不好|どちらも良くない"
)
TIE = re.compile(
    r"\b(on[ -]par|tie|ties|tied|equal|equals|equally|equivalent|draw|draws|drawn|same|similar|comparable|parity"
    r"|indifferent|undecided|no preference|no difference|no winner|both|unentschieden|gleich|gleichwertig|égalité"
    r"|ex aequo|empate|pareggio|gelijk)\b|平局|引き分け|무승부|ничья"
)
WIN = re.compile(r"\b(win|wins|won|winner|lose|loses|lost|loss|losses|prefer|prefers|preferred|better|chosen)\b")
TOTAL = re.compile(r"(the )?(sum|total|totals|all|Σ|σ)( %| \(%\)| percent)?:?")
VOTES = r"(votes|comparisons|judge?ments|responses|answers|samples|ratings|pairs)"
SIZE = re.compile(rf"(n|#|((number|no\.|total|sum)( of)? |# ?|n )?{VOTES}( \(n\))?|sample size)\s*[:=]?")


def role_of(label: str) -> Role:
    """What a label names; whatever is no known word is a system."""
    words = _plain(label)
    if TOTAL.fullmatch(words):
        return "total"
    if SIZE.fullmatch(words):
        return "size"
    if NEITHER.search(words):
        return "tie" if WIN.search(words) and "bad" not in words else "neither"
    return "tie" if TIE.search(words) else "system"


def speaks_of_votes(labels: Sequence[str]) -> bool:
    """Whether labels name answers of a comparison: ties, neither, wins or losses."""
    return any(role_of(label) in ("tie", "neither") or WIN.search(_plain(label)) for label in labels)


def roles_of(labels: Sequence[str], *, tie: str | None = None, neither: str | None = None) -> tuple[Role, ...]:
    """The role of every row; `tie` and `neither` name a row ("" for none) and then overrule what words say.

    Raises:
        SpecError: a named row is not in the table.
    """
    named: tuple[tuple[str | None, Role], ...] = ((tie, "tie"), (neither, "neither"))
    roles = [role_of(label) for label in labels]
    for row, role in named:
        if row is None:
            continue
        roles = ["system" if old == role else old for old in roles]
        if row:
            roles[_place(row, labels)] = role
    return tuple(roles)


def _place(row: str, labels: Sequence[str]) -> int:
    """The one label that is `row`, or else the one that holds it; upper and lower case are the same."""
    plain = [_plain(label) for label in labels]
    for fits in ([name == _plain(row) for name in plain], [_plain(row) in name for name in plain]):
        if sum(fits) == 1:
            return fits.index(True)
    raise unknown("row", row, labels, where="the first column of the table")


def _plain(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())
