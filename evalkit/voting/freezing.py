"""The rows of a study. They enter the database in random order, so that no number in it tells a system."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from evalkit.spec.identity import digest
from evalkit.spec.resolve import ResolvedStudy
from evalkit.spec.study import Design
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow
from evalkit.voting.arms import Arms
from evalkit.voting.drawing import Pair, Sheet, draw_sheets
from evalkit.voting.gallery import Gallery

Item = TypeVar("Item")
TITLE = "Image comparison"
"""What raters read above a study: its own title usually names the systems."""


@dataclass(frozen=True)
class Frozen:
    """What was written."""

    study_id: int
    comparisons: int
    per_sheet: int


def freeze(
    session: Session, resolved: ResolvedStudy, design: Design, shown: Gallery, link: Arms, now: datetime
) -> Frozen:
    """Writes study, prompts, images, comparisons and sheets."""
    pairs = _pairs(shown, link)
    per_sheet = min(design.comparisons_per_rater or len(pairs), len(pairs))
    spec = _spec(resolved, design, per_sheet)
    study = StudyRow(slug=resolved.study.name, study_sha=resolved.sha, spec=spec, opened_at=now)
    session.add(study)
    session.flush()
    comparisons = _comparisons(session, study.id, pairs, _images(session, study.id, shown, link))
    sheets = draw_sheets(
        pairs, sheets=design.raters, per_sheet=per_sheet, questions=design.questions,
        seed=digest([design.seed, resolved.sha]),
    )  # fmt: skip
    add_sheets(session, study.id, sheets, comparisons)
    return Frozen(study.id, len(pairs), per_sheet)


def add_sheets(
    session: Session, study_id: int, sheets: Sequence[Sheet], comparisons: dict[Pair, int], *, simulated: bool = False
) -> None:
    """Writes drawn sheets. `comparisons`: the number of each pair's row."""
    for sheet in sheets:
        row = SheetRow(study_id=study_id, simulated=simulated, questions=list(sheet.questions))
        row.assignments = [
            AssignmentRow(comparison_id=comparisons[item.pair], position=place, a_is_left=item.a_is_left)
            for place, item in enumerate(sheet.shown, start=1)
        ]
        session.add(row)
    session.flush()


def _spec(resolved: ResolvedStudy, design: Design, per_sheet: int) -> dict[str, Any]:
    """What raters are shown and how it will be analysed, without a word on the systems."""
    return {
        "title": TITLE,
        "miniature": resolved.miniature,
        "systems": len(resolved.study.systems),
        "comparisons_per_rater": per_sheet,
        "questions": [question.model_dump(mode="json") for question in resolved.questions],
        "voting": design.model_dump(mode="json"),
        "analysis": resolved.study.analysis.model_dump(mode="json"),
    }


def _pairs(shown: Gallery, link: Arms) -> list[Pair]:
    """All pairs of systems on all prompts and image numbers; named by arms."""
    arms = sorted(link.systems)
    scenes = {(item.planned.prompt.key, item.planned.prompt.lang, item.planned.index) for item in shown.pictures}
    return [Pair(a, b, *scene) for a, b in combinations(arms, 2) for scene in sorted(scenes)]


def _images(session: Session, study_id: int, shown: Gallery, link: Arms) -> dict[tuple[str, str, str, int], int]:
    """Writes prompts and images: (arm, prompt key, language, number of the image) -> row."""
    prompts = {(item.planned.prompt.key, item.planned.prompt.lang): item.planned.prompt.text for item in shown.pictures}
    rows = {
        (key, lang): PromptRow(study_id=study_id, key=key, lang=lang, text=text)
        for (key, lang), text in _shuffled(prompts.items())
    }
    session.add_all(rows.values())
    session.flush()
    images = {}
    for item in _shuffled(shown.pictures):
        prompt, arm = item.planned.prompt, link.arm_of(item.planned.system)
        images[arm, prompt.key, prompt.lang, item.planned.index] = ImageRow(
            prompt_id=rows[prompt.key, prompt.lang].id, arm=arm, key=item.key, path=item.path, sha256=item.sha256
        )
    session.add_all(images.values())
    session.flush()
    return {place: row.id for place, row in images.items()}


def _comparisons(
    session: Session, study_id: int, pairs: Sequence[Pair], images: dict[tuple[str, str, str, int], int]
) -> dict[Pair, int]:
    rows = {}
    for pair in _shuffled(pairs):
        scene = (pair.prompt_key, pair.lang, pair.image_index)
        rows[pair] = ComparisonRow(
            study_id=study_id, image_a_id=images[pair.arm_a, *scene], image_b_id=images[pair.arm_b, *scene]
        )
    session.add_all(rows.values())
    session.flush()
    return {pair: row.id for pair, row in rows.items()}


def _shuffled(items: Iterable[Item]) -> list[Item]:
    order = list(items)
    secrets.SystemRandom().shuffle(order)
    return order
