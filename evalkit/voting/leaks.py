"""What could tell systems apart on disk and in the database: metadata, encoder, sizes, names, order, words.

The half of the leak check that needs no browser. Decoded pixels are excepted: they are what raters judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evalkit.settings import Settings
from evalkit.spec.fingerprint import file_sha256
from evalkit.stats.estimate import SignificanceTest
from evalkit.store.tables import ComparisonRow, ImageRow, PromptRow, StudyRow
from evalkit.voting import events, pictures

LEVEL = 0.001
"""Chance of a false alarm over all tests of order together"""
PARTS = {b"IHDR", b"IDAT", pictures.PADDING, b"IEND"}


@dataclass(frozen=True)
class FileFacts:
    """All that a browser or a look into the folder shows of a picture, its pixels excepted."""

    arm: str
    row: int
    name: str
    length: int
    written: float
    parts: tuple[bytes, ...]
    header: bytes


def find(session: Session, study: StudyRow, settings: Settings, words: Sequence[str] = ()) -> list[str]:
    """The leaks of a study, in sentences; nothing if there are none.

    Args:
        words: names that must not appear: systems, models.
    """
    rows = list(session.scalars(select(ImageRow).join(PromptRow).where(PromptRow.study_id == study.id)))
    missing = [row.path for row in rows if not (settings.data_dir / row.path).is_file()]
    if missing:
        return [f"{len(missing)} picture files are missing, as {missing[0]}"]
    facts = [look(row, settings.data_dir / row.path) for row in rows]
    return [
        *in_contents(rows, settings),
        *in_files(facts),
        *in_orders(facts),
        *in_orientation(session, study),
        *in_words(session, study, rows, words),
    ]


def in_contents(rows: Sequence[ImageRow], settings: Settings) -> Iterator[str]:
    """A picture that is not the one that was frozen."""
    for row in rows:
        if file_sha256(settings.data_dir / row.path) != row.sha256:
            yield f"picture {row.key} was changed since the study was opened"


def look(row: ImageRow, path: Path) -> FileFacts:
    """The facts of one picture file."""
    content, state = path.read_bytes(), path.stat()
    try:
        parts = list(pictures.chunks(content))
    except ValueError:
        return FileFacts(row.arm, row.id, path.stem, len(content), state.st_mtime, (b"not a PNG",), b"")
    kinds = tuple(dict.fromkeys(part.kind for part in parts))
    data = next((part.data for part in parts if part.kind == b"IDAT"), b"")
    return FileFacts(row.arm, row.id, path.stem, len(content), state.st_mtime, kinds, parts[0].data + data[:2])


def in_files(facts: Sequence[FileFacts]) -> Iterator[str]:
    """Metadata, another encoder, another length, another time, a telling name."""
    for item in facts:
        strange = [kind for kind in item.parts if kind not in PARTS]
        if strange:
            named = ", ".join(kind.decode("latin-1") or "bytes after its end" for kind in strange)
            yield f"picture {item.name} carries metadata: {named}"
        if not re.fullmatch(r"[0-9a-f]{32}", item.name):
            yield f"picture {item.name} has a name that is not random"
    same: dict[str, set[Any]] = {
        "lengths in bytes": {item.length for item in facts},
        "sizes in pixels, or encoders": {item.header for item in facts},
        "layouts": {item.parts for item in facts},
        "file times": {item.written for item in facts},
    }
    for what, values in same.items():
        if len(values) > 1:
            yield f"pictures differ in their {what} ({len(values)} of them)"


def in_orders(facts: Sequence[FileFacts]) -> Iterator[str]:
    """Numbers by which one could sort the pictures of a system to the front."""
    arms = sorted({item.arm for item in facts})
    orders = {
        "number in the database": [float(item.row) for item in facts],
        "name": [float(int(item.name, 16)) if re.fullmatch("[0-9a-f]+", item.name) else 0.0 for item in facts],
        "length in bytes": [float(item.length) for item in facts],
        "file time": [item.written for item in facts],
    }
    for what, values in orders.items():
        for arm in arms[: 1 if len(arms) == 2 else None]:
            test = separation(values, [item.arm == arm for item in facts])
            if test.p is not None and test.p < LEVEL / (len(orders) * len(arms)):
                yield f"the {what} tells arms apart: AUC {test.statistic:.2f}, p = {test.p:.2g}, n = {test.n}"


def separation(values: Sequence[float], ours: Sequence[bool]) -> SignificanceTest:
    """Whether `values` rank one arm's pictures before the others': the area under the ROC curve (`statistic`) and its
    p-value (Mann and Whitney 1947; Hanley and McNeil 1982)."""
    from scipy.stats import mannwhitneyu

    mine = [value for value, own in zip(values, ours, strict=True) if own]
    others = [value for value, own in zip(values, ours, strict=True) if not own]
    if not mine or not others or len(set(values)) == 1:
        return SignificanceTest(None, len(values), "Mann-Whitney", 0.5, note="nothing to rank by")
    found = mannwhitneyu(mine, others)
    return SignificanceTest(
        float(found.pvalue), len(values), "Mann-Whitney", float(found.statistic) / (len(mine) * len(others))
    )


def in_orientation(session: Session, study: StudyRow) -> Iterator[str]:
    """A comparison's first image must be told by the arms' codes alone (both images of a gold have one arm)."""
    judged = select(ComparisonRow).where(ComparisonRow.study_id == study.id, ComparisonRow.kind != "gold")
    pairs = session.scalars(judged).all()
    wrong = sum(pair.image_a.arm >= pair.image_b.arm for pair in pairs)
    if wrong:
        yield f"{wrong} of {len(pairs)} comparisons are not in the order of the arms' codes"


def in_words(session: Session, study: StudyRow, images: Sequence[ImageRow], words: Sequence[str]) -> Iterator[str]:
    """Names of systems or models in what the database says of pictures, in the frozen spec or in the log.

    The study's own name, which many a folder and table bears, is excepted: it tells who takes part, not which is which.
    """
    folder = f"voting/{study.slug}-{study.study_sha[:8]}/"
    texts = {
        "the frozen spec": " · ".join(_words(study.spec)),
        "the log": " · ".join(_words([_said(row.detail) for row in events.lines(session, study.id)])),
        "the pictures' rows": " ".join(f"{row.arm} {row.key} {row.path.removeprefix(folder)}" for row in images),
    }
    for place, text in texts.items():
        for word in words:
            if re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])", text.lower()):
                yield f"{place} names {word!r}"


def _said(detail: dict[str, Any]) -> dict[str, Any]:
    """A line of the log without the reason that a person gave in their own words."""
    return {key: value for key, value in detail.items() if key != "reason"}


def _words(record: Any) -> Iterator[str]:
    """The texts of a record, its keys excepted."""
    if isinstance(record, str):
        yield record
    for inner in record.values() if isinstance(record, dict) else record if isinstance(record, list) else ():
        yield from _words(inner)
