"""Amendments: what is changed after a study was frozen, when and why. The log keeps them; a report prints each.

What raters see and what was drawn cannot be amended: that is another study.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from evalkit.errors import VotingError
from evalkit.registry import unknown
from evalkit.spec.design import Analysis, Design, Exclusions
from evalkit.store.tables import StudyRow
from evalkit.voting import events, stored

AMENDABLE = (
    *(f"analysis.{name}" for name in Analysis.model_fields if name != "test"),
    *(f"voting.quality.exclude.{name}" for name in Exclusions.model_fields),
    *("voting.raters", "voting.on_erasure", "voting.retention_days"),
)
REASON_LENGTH = 2000
MORE_RATERS = "amendment: more raters"
"""Why the log says that sheets were drawn"""


@dataclass(frozen=True)
class Amendment:
    """A change after the freeze; without `changes`, a deviation in words. `closed`: it came after the last vote."""

    at: datetime
    reason: str
    changes: tuple[dict[str, Any], ...]
    closed: bool


def amend(session: Session, study_id: int, reason: str, changes: Mapping[str, Any], now: datetime) -> str:
    """Writes an amendment into the log and gives the log's new head. More raters get sheets, drawn by the same rules.

    Args:
        changes: as `{"analysis.equivalence_margin": 0.05}`; keys as in the study file.

    Raises:
        VotingError: no reason, a value that does not fit, nothing that changes, or fewer raters than sheets.
        SpecError: a key that cannot be amended.
    """
    study = session.get(StudyRow, study_id, with_for_update=True)
    if study is None:
        raise VotingError("no such study in the database")
    if not reason.strip():
        raise VotingError("an amendment needs a reason", hint='--reason "why the plan was changed"')
    before = effective(session, study)
    after = applied(before, changes)
    listed = [
        {"key": key, "before": _get(before, key), "after": _get(after, key)}
        for key in changes
        if _get(before, key) != _get(after, key)
    ]
    if changes and not listed:
        raise VotingError("nothing would change: the study says so already")
    more = _more_sheets(study, before, after)
    detail = {"reason": reason.strip()[:REASON_LENGTH], "changes": listed, "closed": study.closed_at is not None}
    head = events.append(session, study_id, "amend", now, detail=detail)
    if more:
        stored.draw_more(session, study, more, MORE_RATERS, now)
        head = events.lines(session, study_id)[-1].sha
    return head


def amendments(session: Session, study_id: int) -> list[Amendment]:
    """The amendments of a study, oldest first; none: everything is as planned."""
    return [
        Amendment(row.at, row.detail["reason"], tuple(row.detail["changes"]), row.detail["closed"])
        for row in events.lines(session, study_id)
        if row.what == "amend"
    ]


def effective(session: Session, study: StudyRow) -> dict[str, Any]:
    """The frozen spec with all amendments applied. The frozen one itself never changes."""
    spec = copy.deepcopy(study.spec)
    for amendment in amendments(session, study.id):
        for change in amendment.changes:
            _set(spec, change["key"], change["after"])
    return spec


def rules(session: Session, study: StudyRow) -> Exclusions:
    """The exclusion rules as they stand now."""
    return Exclusions.model_validate(effective(session, study)["voting"].get("quality", {}).get("exclude", {}))


def applied(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a frozen spec with changes, checked as a study file is."""
    after = copy.deepcopy(dict(spec))
    for key, value in changes.items():
        if key not in AMENDABLE:
            raise unknown("amendable key", key, AMENDABLE, where="--set")
        _set(after, key, value)
    parts: Sequence[tuple[str, type[BaseModel]]] = (("analysis", Analysis), ("voting", Design))
    for name, record in parts:
        try:
            after[name] = record.model_validate(after[name]).model_dump(mode="json", exclude=_unsaid(after[name]))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join([name, *map(str, fault["loc"])])
            raise VotingError(f"the amendment does not fit: {fault['msg']}", where=where) from None
    if after["analysis"]["primary_question"] not in after["voting"]["questions"]:
        raise VotingError("primary_question is not among the questions that were asked")
    return after


def _unsaid(part: Mapping[str, Any]) -> set[str] | None:
    return {"raters"} if part.get("votes_per_comparison") else None


def _more_sheets(study: StudyRow, before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    more = int(after["voting"].get("raters", 0)) - int(before["voting"].get("raters", 0))
    if more < 0:
        hint = "who has a sheet keeps it; invite fewer raters instead"
        raise VotingError("sheets that are drawn cannot be taken back", where="voting.raters", hint=hint)
    if more and study.closed_at is not None:
        raise VotingError("the study is closed", where="voting.raters", hint="no more sheets are drawn")
    return more


def _get(spec: Mapping[str, Any], key: str) -> Any:
    value: Any = spec
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _set(spec: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        spec = spec.setdefault(part, {})
    spec[last] = value
