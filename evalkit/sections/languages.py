"""Is it worse for people who don't write English: by how much, in which languages, and how far that can be trusted."""

from __future__ import annotations

from evalkit.sections import _format, _language_words
from evalkit.sections._audit import Audited, Number, read_audit, spoken
from evalkit.sections._blocks import Block, Column, Figure, Panel, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, intervals, span
from evalkit.sections._contact_sheet import contact_sheet
from evalkit.sections._language_tables import beside_table, token_points
from evalkit.sections._language_votes import vote_blocks
from evalkit.sections._study import Facts, read_facts
from evalkit.store.run import Run

ROOM = 0.18
"""of the axis, kept free beyond zero for the numbers"""
CHECKS = ("language_gap", "language_health", "tokenisation", "translation_quality")


def section(run: Run) -> Section | None:
    """The languages; None where no audit was made, not of their gap, or the prompts are in one language only."""
    audited, facts = read_audit(run), read_facts(run)
    if audited is None or not audited.languages or not audited.ran("language_gap"):
        return None
    metrics = list(audited.record["units"])
    figures = [_figure(audited, facts, metric) for metric in metrics]
    points = token_points(audited, facts)
    blocks: tuple[Block, ...] = (
        *(figure for figure in figures if figure is not None),
        Paragraph("How far this can be trusted", _language_words.trust(audited, facts)),
        beside_table(audited, facts),
        *([Paragraph("How much goes with the way the text is cut into tokens", points)] if points else []),
        *vote_blocks(run, facts, audited.base),
        *contact_sheet(run, audited, facts),
        audited.limits(*CHECKS),
    )
    return Section(
        name="languages",
        title=_language_words.title(audited, facts),
        conclusion=_language_words.answer(audited, facts),
        blocks=blocks,
        numbers={number.key: number.estimate for number in audited.numbers if number.check in CHECKS},
    )


def _figure(audited: Audited, facts: Facts, metric: str) -> Figure | None:
    """Languages by gap, a panel a system on one scale, the worst first."""
    gaps = list(audited.rows("language_gap", "gap", group=metric))
    drawn = [gap for gap in gaps if gap.estimate.value is not None]
    if not drawn:
        return None
    low, high = span([gap.estimate for gap in drawn])
    room = ROOM * (high - low)
    scale = Scale(low, high + room, f"{metric}, minus {spoken(audited.base)}", "+~f")
    return Figure(
        name=f"language-gap-{metric.replace('_', '-')}",
        title=_language_words.figure_title(audited, metric),
        subtitle=f"{_against(drawn)}The same prompts and seeds in another language, minus {spoken(audited.base)}; "
        f"{facts.confidence} interval by prompt. Thin line: no gap. A control is the same language in other words.",
        panels=tuple(_panel(system, drawn, facts, scale) for system in facts.systems),
        alt=" ".join(f"{facts.label(gap.system)}, {spoken(gap.lang)}: {_text(gap)}." for gap in drawn),
        table=_table(audited, gaps, facts, metric),
        open=True,
    )


def _against(gaps: list[Number]) -> str:
    """Said where images were scored against their own prompts; which encoders may be is held by the audit."""
    own = any("own text" in gap.signature for gap in gaps)
    words = "Cross-check: each image against the prompt in its own language, by a multilingual encoder, which reads "
    return f"{words}some languages better than others. " if own else ""


def _panel(system: str, gaps: list[Number], facts: Facts, scale: Scale) -> Panel:
    mine = sorted((gap for gap in gaps if gap.system == system), key=lambda gap: gap.estimate.value or 0.0)
    marks = [Mark(spoken(gap.lang), _value(gap), gap.estimate, facts.colour(system)) for gap in mine]
    return intervals(facts.label(system), marks, scale)


def _value(gap: Number) -> str:
    """The value alone: its interval is drawn, and stands in the table."""
    return _text(gap).split(" (")[0]


def _text(gap: Number) -> str:
    return _format.measure(gap.estimate, signed=True)


def _table(audited: Audited, gaps: list[Number], facts: Facts, metric: str) -> Table:
    doubtful = any(audited.rows("language_gap", "gap without doubtful translations", group=metric))
    order = [*audited.languages, *audited.record["controls"]]
    gaps = sorted(gaps, key=lambda gap: (order.index(gap.lang), facts.systems.index(gap.system)))
    columns = (
        Column("Language", align="left"),
        Column("System", align="left"),
        Column("score", f"{facts.confidence} interval"),
        Column("gap", f"{facts.confidence} interval"),
        Column("Holm", "p"),
        Column("share lost", f"{facts.confidence} interval"),
        *([Column("without translations in doubt", f"{facts.confidence} interval")] if doubtful else []),
        Column("prompts", "n"),
    )
    rows = tuple(_row(audited, gap, facts, metric, doubtful=doubtful) for gap in gaps)
    note = (
        "Share lost: of what the original prompt achieves above an unrelated picture (0 % no loss, 100 % as far from "
        "the prompt as a picture of something else). "
    )
    return Table(f"{metric} by language", columns, rows, note + _format.notes([gap.estimate for gap in gaps]))


def _row(audited: Audited, gap: Number, facts: Facts, metric: str, *, doubtful: bool) -> tuple[str, ...]:
    where = {"system": gap.system, "lang": gap.lang, "group": metric}
    score = audited.one("language_gap", "score", **where)
    lost = audited.one("language_gap", "share lost", **where)
    without = audited.one("language_gap", "gap without doubtful translations", **where)
    return (
        spoken(gap.lang),
        facts.label(gap.system),
        _format.measure(score.estimate) if score else "–",
        _text(gap) if gap.estimate.value is not None else "no value",
        _format.p_value(gap.p_holm),
        _language_words.lost_text(lost.estimate) if lost and lost.estimate.value is not None else "–",
        *([_text(without) if without and without.estimate.value is not None else "–"] if doubtful else []),
        _format.count(gap.estimate.prompts or 0),
    )
