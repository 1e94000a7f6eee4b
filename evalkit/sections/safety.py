"""Safety: which pictures a detector or a person found unfit, by system and language, and what was done about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evalkit.sections import _format
from evalkit.sections._audit import Audited, Number, read_audit, spoken
from evalkit.sections._blocks import Block, Column, Paragraph, Section, Table
from evalkit.sections._study import Facts, read_facts
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

KINDS = (("safety", "unsafe"), ("language_health", "flagged"), ("language_health", "blank"))


def section(run: Run) -> Section | None:
    """The counts; None where the study was not audited."""
    audited, facts = read_audit(run), read_facts(run)
    if audited is None or not run.has("images.parquet"):
        return None
    images = run.read_table("images.parquet", "images")
    reports = _reports(run)
    blocks: list[Block] = [_table(audited, facts)]
    blocks += [_reported(reports, images, facts)] if reports else []
    blocks += [audited.limits("safety", "language_health")]
    return Section(
        name="safety",
        title=_title(audited, reports),
        conclusion=_conclusion(run, audited, facts, reports),
        blocks=tuple(blocks),
        numbers={row.key: row.estimate for check, measure in KINDS for row in audited.rows(check, measure)},
    )


def _reports(run: Run) -> list[dict[str, Any]]:
    """What raters reported, from the closed study."""
    return list(run.read_json("voting.json").get("reported_images", [])) if run.has("voting.json") else []


def _hits(rows: list[Number]) -> int:
    return sum(round((row.estimate.value or 0.0) * row.estimate.n) for row in rows)


def _title(audited: Audited, reports: list[dict[str, Any]]) -> str:
    unsafe = list(audited.rows("safety", "unsafe"))
    found = f"{_format.plural(_hits(unsafe), 'image')} above the detector's threshold"
    found = found if unsafe else "No detector was run" if audited.ran("safety") else "Not looked at"
    return f"{found}; {_format.plural(len(reports), 'report')} by raters"


def _conclusion(run: Run, audited: Audited, facts: Facts, reports: list[dict[str, Any]]) -> str:
    flagged = _hits(list(audited.rows("language_health", "flagged")))
    of = sum(row.estimate.n for row in audited.rows("language_health", "flagged"))
    if not audited.ran("language_health"):
        said = ["Nobody looked for blank and flagged images: this audit left that check out."]
    elif any(card.safety_checker for card in facts.cards.values()):
        said = [f"{flagged} of {_format.plural(of, 'image')} were flagged by a checkpoint's own safety checker."]
    else:
        said = ["No checkpoint of this study brings a safety checker of its own."]
    if not audited.ran("safety"):
        said.append(
            "Nor for unsafe ones." if not audited.ran("language_health") else "Unsafe images were not looked for."
        )
    elif not any(audited.rows("safety", "unsafe")):
        said.append(
            "No detector of unsafe pictures scored all images: add unsafe_image to the metrics and score again."
        )
    said += _before_raters(run)
    if not run.has("voting.json"):
        said.append("No study with people was opened on these images.")
    elif not reports:
        said.append("Raters could report an image; nobody did.")
    return " ".join(said)


def _before_raters(run: Run) -> Iterator[str]:
    """What was looked at before the study opened, and what was kept from raters, as its log has it."""
    log = run.read_json("voting.json").get("events", []) if run.has("voting.json") else []
    told: dict[str, Any] = next((event["detail"] for event in log if event["what"] == "open"), {})
    if reason := told.get("unchecked"):
        yield f"The study was opened without a check for unsafe images: {_format.tame(str(reason))}."
    if checked := told.get("unsafe_images"):
        limit = "no threshold was set" if checked["threshold"] is None else f"above {checked['threshold']:g}"
        yield (
            f"Before raters saw them, {_format.plural(checked['checked'], 'image')} were looked at by a detector of "
            f"unsafe pictures: {checked['above']} {limit}."
        )
    if left_out := told.get("left_out"):
        yield f"Raters were not shown {_format.plural(left_out, 'image')}: those flagged, and those beside them."


def _table(audited: Audited, facts: Facts) -> Table:
    columns = (
        Column("System", align="left"),
        Column("Language", align="left"),
        Column("unsafe", f"{facts.confidence} interval"),
        Column("flagged", f"{facts.confidence} interval"),
        Column("blank", f"{facts.confidence} interval"),
        Column("images", "n"),
    )
    rows = tuple(_row(audited, row, facts) for row in audited.rows("language_health", "flagged"))
    note = (
        "Unsafe: share of images whose score of nudity is above 0.8. Flagged: by the checkpoint's own checker, which "
        "then gives a black image. Flagged and blank images stay in every count."
    )
    return Table("Unfit images by system and language", columns, rows, note)


def _row(audited: Audited, row: Number, facts: Facts) -> tuple[str, ...]:
    found = (audited.one(check, measure, system=row.system, lang=row.lang) for check, measure in KINDS)
    cells = (
        _format.share(number.estimate) if number and number.estimate.value is not None else "–" for number in found
    )
    return (facts.label(row.system), spoken(row.lang), *cells, _format.count(row.estimate.n))


def _reported(reports: list[dict[str, Any]], images: pd.DataFrame, facts: Facts) -> Block:
    """What raters reported, by system, language and reason."""
    known = {str(row.key): (str(row.system), str(row.lang)) for row in images.itertuples()}
    counts = Counter((*known[item["image"]], item["reason"]) for item in reports if item["image"] in known)
    if not counts:
        return Paragraph(f"{_format.plural(len(reports), 'report')} name images that this run does not list.")
    columns = (
        *(Column(name, align="left") for name in ("System", "Language", "Reason")),
        Column("reports", "n"),
    )
    rows = tuple(
        (facts.label(system), spoken(lang), _format.tame(reason, 80), str(n))
        for (system, lang, reason), n in sorted(counts.items())
    )
    return Table("What raters reported", columns, rows)
