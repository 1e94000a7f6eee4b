"""Who is shown when the prompt leaves it open, against a named reference and against what chance alone would give."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._audit import Audited, Number, read_audit, spoken
from evalkit.sections._blocks import Block, Column, Figure, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, bars
from evalkit.sections._study import Facts, read_facts
from evalkit.stats.estimate import Estimate
from evalkit.stats.heim import DEFECTS
from evalkit.store.run import Run

CHECK = "representation"
WORDS = {"gender": "Perceived gender presentation", "skin_tone": "Skin tone (Monk)"}
LACKING = ("share: unsure", "share: no face")
FEW_KNOWN = 0.5
DRIFT = ", minus base language"
HEIM = {"HEIM gender imbalance": "gender imbalance", "HEIM skin tone imbalance": "skin tone imbalance"}


def section(run: Run) -> Section | None:
    """The representation audit; None where nobody looked for faces."""
    audited, facts = read_audit(run), read_facts(run)
    distances = list(audited.rows(CHECK, "total variation")) if audited else []
    if audited is None or not distances:
        return None
    heim = [row for measure in HEIM for row in audited.rows(CHECK, measure)]
    blocks: list[Block] = [_figure(audited, facts, attribute) for attribute in WORDS]
    blocks += [_table(audited, distances, facts), *_drift(audited, facts)]
    blocks += [_heim(heim, facts), Paragraph("What is wrong with HEIM's figures", DEFECTS)] if heim else []
    return Section(
        name="people",
        title=_title(distances),
        conclusion=_conclusion(audited, distances, facts),
        blocks=(*blocks, audited.limits(CHECK)),
        numbers={number.key: number.estimate for number in audited.numbers if number.check == CHECK},
    )


def _title(distances: list[Number]) -> str:
    known = [row for row in distances if row.estimate.value is not None]
    if not known:
        return "No face was found in any image, so nothing can be said on who is shown"
    return f"{_far(known)} of {_format.plural(len(known), 'comparison')} with the reference differ from it"


def _far(rows: list[Number]) -> int:
    return sum(row.p_holm is not None and row.p_holm < 0.05 for row in rows)


def _conclusion(audited: Audited, distances: list[Number], facts: Facts) -> str:
    """Sentences on the prompts in the base language; the other languages, where there are some, in one."""
    told = [row for row in distances if row.lang == audited.base] or distances
    others = [row for row in distances if row not in told and row.estimate.value is not None]
    said = [_sentence(audited, row, facts) for row in told]
    if others:
        many = _format.plural(len(others), "comparison")
        said.append(f"With prompts in other languages {_far(others)} of {many} differ from the reference.")
    return " ".join(said)


def _sentence(audited: Audited, row: Number, facts: Facts) -> str:
    where = {"system": row.system, "lang": row.lang, "group": row.group}
    named = f"{facts.label(row.system)}, prompts in {spoken(row.lang)}, {WORDS[row.group].lower()}:"
    unknown = _unknown(audited, where)
    if row.estimate.value is None:
        return f"{named} no number, since {_format.percent(unknown)} of the images show no face that could be judged."
    floor = audited.one(CHECK, "null floor", **where)
    chance = (
        f"; a fair system would score {floor.estimate.value:.2f} by chance" if floor and floor.estimate.value else ""
    )
    caution = " Most images could not be judged." if unknown > FEW_KNOWN else ""
    return (
        f"{named} distance {_distance(row.estimate)} from the reference (0 none, 1 nothing in common){chance}; "
        f"{_format.percent(unknown)} unknown; {_format.p_text(row.p_holm)}.{caution}"
    )


def _unknown(audited: Audited, where: dict[str, str]) -> float:
    found = (audited.one(CHECK, measure, **where) for measure in LACKING)
    return sum(number.estimate.value or 0.0 for number in found if number)


def _distance(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f} (no interval)"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _figure(audited: Audited, facts: Facts, attribute: str) -> Figure:
    """All classes as bars, "unsure" and "no face" among them, a panel a system and language."""
    rows = [
        row for row in audited.numbers if row.check == CHECK and row.group == attribute and "share: " in row.measure
    ]
    places = list(dict.fromkeys((row.system, row.lang) for row in rows))
    panels = []
    for system, lang in places:
        marks = [
            Mark(row.measure.removeprefix("share: "), _format.share(row.estimate), row.estimate, facts.colour(system))
            for row in rows
            if (row.system, row.lang) == (system, lang) and row.estimate.value is not None
        ]
        panels.append(bars(f"{facts.label(system)}, {spoken(lang)}", marks, Scale(0, 1, "share of images", ".0%")))
    columns = (
        *(Column(title, align="left") for title in ("System", "Language", "Class")),
        Column("share", f"{facts.confidence} interval"),
        Column("images", "n"),
        Column("prompts", "n"),
    )
    table = Table(WORDS[attribute], columns, tuple(_share_row(row, facts) for row in rows))
    spoken_rows = (f"{' '.join(cells[:3])}: {cells[3]}." for cells in table.rows)
    return Figure(
        name=f"people-{attribute.replace('_', '-')}",
        title=f"{WORDS[attribute]}: what the images show",
        subtitle=f"Share of all images, {facts.confidence} interval by prompt. A face that is not found or not sure is "
        "a class of its own.",
        panels=tuple(panels),
        alt=" ".join(spoken_rows),
        table=table,
    )


def _share_row(row: Number, facts: Facts) -> tuple[str, ...]:
    share, n, prompts = _format.share(row.estimate), row.estimate.n, row.estimate.prompts or 0
    named = row.measure.removeprefix("share: ")
    return facts.label(row.system), spoken(row.lang), named, share, _format.count(n), _format.count(prompts)


def _table(audited: Audited, distances: list[Number], facts: Facts) -> Table:
    columns = (
        *(Column(title, align="left") for title in ("What", "System", "Language")),
        Column("distance", f"{facts.confidence} interval"),
        Column("by chance", "mean, to 95th percentile"),
        Column("chi-square", "p (Holm)"),
        Column("if all unknown were one class", "least to most"),
        Column("if the classifier errs", "see note"),
        Column("known", "n"),
    )
    rows = tuple(_distance_row(audited, row, facts) for row in distances)
    note = (
        "Distance: total variation from the reference among images with a known class. If the classifier errs: gender, "
        "with its reported error of 3 % undone, then with twice that; skin, every tone taken for its neighbour. "
    )
    return Table(
        "Distance from the reference", columns, rows, note + _format.notes([row.estimate for row in distances])
    )


def _distance_row(audited: Audited, row: Number, facts: Facts) -> tuple[str, ...]:
    where = {"system": row.system, "lang": row.lang, "group": row.group}
    floor = audited.one(CHECK, "null floor", **where)
    ends = audited.one(CHECK, "total variation, unknown in one class", **where)
    off = audited.one(CHECK, "total variation, one tone off", **where)
    erring = [audited.one(CHECK, f"total variation, classifier error {share}", **where) for share in ("3%", "6%")]
    values = [number.estimate.value for number in erring if number and number.estimate.value is not None]
    error = ", ".join(f"{value:.2f}" for value in values)
    if off is not None:
        error = f"{off.estimate.low:.2f} to {off.estimate.high:.2f}"
    return (
        WORDS[row.group],
        facts.label(row.system),
        spoken(row.lang),
        _distance(row.estimate) if row.estimate.value is not None else "no value",
        f"{floor.estimate.value:.2f} to {floor.estimate.high:.2f}" if floor else "–",
        _format.p_value(row.p_holm),
        f"{ends.estimate.low:.2f} to {ends.estimate.high:.2f}" if ends else "–",
        error or "–",
        _format.count(row.estimate.n),
    )


def _drift(audited: Audited, facts: Facts) -> list[Block]:
    """The same prompts in another language: who is shown then? Nothing where there is one language only."""
    rows = [row for row in audited.numbers if row.check == CHECK and row.measure.endswith(DRIFT)]
    if not rows:
        return []
    columns = (
        *(Column(title, align="left") for title in ("What", "System", "Language")),
        Column(f"minus {audited.base}", f"{facts.confidence} interval"),
        Column("Holm", "p"),
        Column("prompts", "n"),
    )
    cells = tuple(
        (
            _format.sentence(row.measure.removesuffix(DRIFT)),
            facts.label(row.system),
            spoken(row.lang),
            _format.measure(row.estimate, signed=True) if row.estimate.value is not None else "no value",
            _format.p_value(row.p_holm),
            _format.count(row.estimate.prompts or 0),
        )
        for row in rows
    )
    note = "The same prompts and seeds, over pairs of images that both show a face that could be judged."
    return [Table("Does the language of the prompt change who is shown?", columns, cells, note)]


def _heim(rows: list[Number], facts: Facts) -> Table:
    columns = (
        *(Column(title, align="left") for title in ("Figure", "System", "Language")),
        Column("mean over prompts", f"{facts.confidence} interval"),
        Column("prompts", "n"),
    )
    cells = tuple(_heim_row(row, facts) for row in rows)
    note = "To compare with HEIM's tables only. " + _format.notes([row.estimate for row in rows])
    return Table("HEIM's two figures, as its code computes them", columns, cells, note)


def _heim_row(row: Number, facts: Facts) -> tuple[str, ...]:
    where = (facts.label(row.system), spoken(row.lang)) if row.system else ("all", "all")
    value = _format.measure(row.estimate) if row.estimate.value is not None else "no value"
    return HEIM[row.measure], *where, value, _format.count(row.estimate.prompts or 0)
