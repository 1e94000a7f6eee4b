"""What a published table of percentages can say about itself: which numbers of votes fit it."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Table
from evalkit.sections._study import Facts
from evalkit.spec.study import NEITHER, TIE
from evalkit.stats.table import ColumnCheck, check_column

SHOWN = 4


def published_block(facts: Facts) -> list[Block]:
    """One row a question: the total, the smallest numbers of votes that fit, and what a sign test would say at each."""
    if not facts.study.published:
        return []
    columns = (
        Column("Question", align="left"),
        Column("total", "%"),
        Column("adds up to 100 %?", align="left"),
        Column("smallest fitting numbers of votes", align="left"),
    )
    rows = tuple(_row(question, table, facts) for question, table in facts.study.published.tables.items())
    note = (
        "A reconstruction at the smallest n, never the votes themselves: the source gives no number of votes. "
        "p: naive sign test of the two systems, which takes every vote as independent."
    )
    return [Table("What the published percentages allow", columns, rows, note)]


def _row(question: str, table: dict[str, float], facts: Facts) -> tuple[str, str, str, str]:
    systems = [name for name in table if name not in (TIE, NEITHER)]
    order = [*systems, *(answer for answer in (TIE, NEITHER) if answer in table)]
    check = check_column([table[answer] for answer in order])
    adds_up = "yes" if check.adds_up else f"no: {100 - check.total:.1f} % are not reported"
    return facts.question(question), f"{check.total:.1f}", adds_up, _sizes(check)


def _sizes(check: ColumnCheck) -> str:
    if not check.fits:
        return f"none up to {check.bound}"
    first = {fit.n: fit for fit in reversed(check.fits)}
    shown = [first[n] for n in check.sizes[:SHOWN]]
    said = [
        f"{fit.n} ({_format.p_text(fit.p)}" + (f", {fit.unaccounted} unaccounted for)" if fit.unaccounted else ")")
        for fit in shown
    ]
    repaired = min((repair.fit.n for repair in check.repairs), default=None)
    more = f"; with any one cell misprinted, from n = {repaired}" if repaired else ""
    return "; ".join(said) + more
