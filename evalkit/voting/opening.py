"""Opening: a study is frozen, its pictures are made anonymous, and every sheet is drawn before the first vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from evalkit.errors import SpecError, VotingError
from evalkit.outcome import Progress, silent
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import PlannedImage
from evalkit.spec.resolve import ResolvedStudy
from evalkit.spec.study import Design
from evalkit.store import db
from evalkit.store.run import Run
from evalkit.store.tables import StudyRow
from evalkit.voting import arms, events, extras, freezing, gallery, seals
from evalkit.voting.arms import Arms
from evalkit.voting.gallery import Gallery, Source
from evalkit.voting.withheld import SafetyCheck, named, without_flagged

if TYPE_CHECKING:
    import pandas as pd

SHOWN_FAULTS = 5
NO_CHECK = SafetyCheck()


@dataclass(frozen=True)
class Opened:
    """A study that is open for votes. `head` is the hash of its log; whoever wrote it down can prove the log whole."""

    study_id: int
    head: str
    comparisons: int
    sheets: int
    per_sheet: int
    gallery: Gallery
    flagged: tuple[str, ...] = ()
    """images that a safety checker or the unsafe-image check objects to; raters do not see them"""
    left_out: int = 0
    """images that are not shown therefore: those beside them too"""


def find_study(session: Session, resolved: ResolvedStudy) -> StudyRow | None:
    """The study's row; None if it was never opened in this database."""
    wanted = select(StudyRow).where(StudyRow.slug == resolved.study.name, StudyRow.study_sha == resolved.sha)
    return session.scalar(wanted)


def require_study(session: Session, resolved: ResolvedStudy) -> StudyRow:
    """The study's row.

    Raises:
        VotingError: it was never opened in this database.
    """
    study = find_study(session, resolved)
    if study is not None:
        return study
    name = resolved.study.name
    other = namesake(session, resolved)
    if other is None:
        raise VotingError(
            "this study is not open for votes", where=resolved.run_name, hint=f"`evalkit vote open {name}`"
        )
    raise VotingError(
        f"the study file differs from the frozen one: {differences(other, resolved)}",
        where=f"{other.slug}-{other.study_sha[:8]}",
        hint="put the file back as it was; `evalkit vote amend` changes the plan of an open study, with a reason",
    )


def namesake(session: Session, resolved: ResolvedStudy) -> StudyRow | None:
    """The newest study of this name that was frozen from another file."""
    others = select(StudyRow).where(StudyRow.slug == resolved.study.name, StudyRow.study_sha != resolved.sha)
    return session.scalars(others.where(StudyRow.mode == "study").order_by(StudyRow.id.desc())).first()


def differences(study: StudyRow, resolved: ResolvedStudy) -> str:
    """What differs between a frozen study and a file, as far as the database knows."""
    now = {"voting": require_design(resolved), "analysis": resolved.study.analysis}
    found = [
        f"{part}.{key} was {was.get(key)!r}, is {value!r}"
        for part, record in now.items()
        for was in [study.spec[part]]
        for key, value in record.model_dump(mode="json").items()
        if key in was and was[key] != value
    ]
    return "; ".join(found) or "its systems, prompts, images or questions"


def open_study(
    engine: Engine,
    resolved: ResolvedStudy,
    planned: Sequence[PlannedImage],
    run: Run,
    settings: Settings,
    now: datetime,
    progress: Progress = silent,
    spare: Sequence[PlannedImage] = (),
    parallel: Sequence[Prompt] = (),
    beside: bool = False,
    safety: SafetyCheck = NO_CHECK,
) -> Opened:
    """Freezes a study: anonymous pictures, comparisons, sheets, and the link from arms to systems in the run folder.

    Args:
        planned: the images that raters shall see (`shown_images`).
        spare: images for golds and warm-ups (`spare_images`); where they do not suffice, those of `planned` serve.
        parallel: the whole prompt set, for translations of what is shown.
        beside: open it although a study of this name, from a file that was changed since, is open too.
        safety: what the check for unsafe images said of `planned` and `spare`; it stands in the log.

    Raises:
        VotingError: open already, or images are missing or damaged (it says which).
    """
    design = require_design(resolved)
    with db.session(engine, reading=True) as session:
        _refuse_twice(session, resolved)
        _refuse_changed(session, resolved, beside)
    made = run.read_table("images.parquet", "images")
    fit = without_flagged(planned, made, safety.above)
    lent = without_flagged(spare, made, safety.above, needed=False)
    judged = choose(fit.images, made, settings)
    sources = [*judged, *extras.extras(judged, choose(lent.images, made, settings), design)]
    shown = gallery.make(sources, resolved.run_name, settings, progress)
    codes = arms.new_codes([system.name for system in resolved.study.systems])
    link = Arms(resolved.sha, codes, {picture.key: picture.planned.key for picture in shown.pictures})
    with db.session(engine) as session:
        _refuse_twice(session, resolved)
        frozen = freezing.freeze(session, resolved, shown, link, now, parallel)
        detail = {"design_sha": seals.design_sha(session, frozen.study_id), "sheets": frozen.sheets}
        detail |= ({"left_out": fit.left_out} if fit.left_out else {}) | safety.detail
        head = events.append(session, frozen.study_id, "open", now, detail=detail)
        arms.write(run, link)  # before the commit: no study without its link
    flagged = tuple(map(named, fit.flagged))
    return Opened(
        frozen.study_id, head, frozen.comparisons, frozen.sheets, frozen.per_sheet, shown, flagged, fit.left_out
    )


def require_design(resolved: ResolvedStudy) -> Design:
    """The voting part of a study file."""
    if resolved.study.voting is None:
        raise SpecError("the study has no votes", where=str(resolved.path), hint="add a `voting:` part")
    return resolved.study.voting


def shown_images(planned: Sequence[PlannedImage], keys: Sequence[str], design: Design) -> list[PlannedImage]:
    """The part of a plan that raters see: the voting prompts, `voting.images` images each."""
    wanted = set(keys)
    return [image for image in planned if image.prompt.key in wanted and image.index < design.images]


def spare_images(planned: Sequence[PlannedImage], keys: Sequence[str]) -> list[PlannedImage]:
    """The first images of the spare prompts (`spare_keys`), which golds and warm-ups are made of, in their order."""
    place = {key: number for number, key in enumerate(keys)}
    lent = [image for image in planned if image.prompt.key in place and image.index == 0]
    return sorted(lent, key=lambda image: place[image.prompt.key])


def choose(planned: Sequence[PlannedImage], images: pd.DataFrame, settings: Settings) -> list[Source]:
    """The files of the planned images.

    Raises:
        VotingError: some were not generated yet.
    """
    there = {row["key"]: row for row in images.to_dict("records")}
    missing = [image for image in planned if image.key not in there]
    _refuse("not there yet", missing, len(planned), "generate them first")
    return [
        Source(image, settings.images_dir / there[image.key]["path"], there[image.key]["sha256"]) for image in planned
    ]


def _refuse(what: str, images: Sequence[PlannedImage], total: int, hint: str) -> None:
    if images:
        named = [f"{image.system}: prompt {image.prompt.key}, image {image.index + 1}" for image in images]
        more = f"; and {len(named) - SHOWN_FAULTS} more" if len(named) > SHOWN_FAULTS else ""
        raise VotingError(
            f"images that raters shall see are {what} ({len(images)} of {total})",
            where="; ".join(named[:SHOWN_FAULTS]) + more,
            hint=hint,
        )


def _refuse_twice(session: Session, resolved: ResolvedStudy) -> None:
    study = find_study(session, resolved)
    if study is not None:
        since = f"{study.closed_at or study.opened_at:%Y-%m-%d %H:%M} UTC"
        name, state = resolved.study.name, "closed" if study.closed_at else "open"
        hint = (
            f"`evalkit vote {'verify' if study.closed_at else 'invite'} {name}`; a changed study file is another study"
        )
        raise VotingError(f"this study is {state} already, since {since}", where=resolved.run_name, hint=hint)


def _refuse_changed(session: Session, resolved: ResolvedStudy, beside: bool) -> None:
    """What is frozen stays: a changed file is no way around it."""
    other = namesake(session, resolved)
    if other is not None and other.closed_at is None and not beside:
        raise VotingError(
            f"this study was frozen and is open; the file was changed since: {differences(other, resolved)}",
            where=f"{other.slug}-{other.study_sha[:8]}",
            hint="`evalkit vote amend` changes the plan, with a reason; --beside opens the file as another study",
        )
