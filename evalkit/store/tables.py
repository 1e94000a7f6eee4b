"""The voting database. It knows prompts, opaque images, raters and votes, and not which system made an image.

`image.arm` is the blinding code of clinical trials: random, one a system and study. What it stands for lies in the run
folder (arms.json) alone. Names of places, systems, seeds and scores never enter these tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

CHOICES = ("left", "tie", "right", "neither")
KINDS = ("vote", "gold", "warmup")
"""What a comparison is for. A vote's comparison that is shown again on a sheet (occasion 2) is a repeat."""
MODES = ("study", "pilot", "preview")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite would hand back a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without its zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: UtcTime, dict[str, Any]: JSON, list[str]: JSON}


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of some rows only, small however large the table grows."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class StudyRow(Base):
    """A frozen study: `spec` holds what raters are shown and the plan of the analysis, without the systems.

    A pilot or preview is a row of its own, with a SHA of its own, so that its votes cannot mix with the study's;
    `rehearses` is the SHA of the study that it was copied from.
    """

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("slug", "study_sha"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]
    study_sha: Mapped[str] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    mode: Mapped[str] = mapped_column(
        Enum(*MODES, name="mode", native_enum=False, create_constraint=True), default="study", server_default="study"
    )
    rehearses: Mapped[str | None] = mapped_column(String(64))


class PromptRow(Base):
    """A prompt in one language. `translations`: the same prompt in other languages of its set, language -> text."""

    __tablename__ = "prompt"
    __table_args__ = (UniqueConstraint("study_id", "key", "lang"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    key: Mapped[str]
    lang: Mapped[str]
    text: Mapped[str]
    translations: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class ImageRow(Base):
    """`key` is random; `path` is relative to the data folder; `sha256` is that of the file as it is served.

    `prompt_id` is the prompt that it is shown with: the wrong image of a gold hangs on the prompt that it does not fit.
    """

    __tablename__ = "image"
    __table_args__ = (UniqueConstraint("key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"), index=True)
    arm: Mapped[str]
    key: Mapped[str]
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    prompt: Mapped[PromptRow] = relationship()


class ComparisonRow(Base):
    """Two images of one prompt, ordered by their arms' codes, so that the order tells nothing.

    A gold has two images under one arm, in random order; `gold` names the right one. `votes_wanted`: how many sheets
    had the comparison at opening, repeats not counted.
    """

    __tablename__ = "comparison"
    __table_args__ = (UniqueConstraint("image_a_id", "image_b_id"), CheckConstraint("image_a_id != image_b_id", "two"))
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    image_a_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    image_b_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    kind: Mapped[str] = mapped_column(
        Enum(*KINDS, name="kind", native_enum=False, create_constraint=True), default="vote", server_default="vote"
    )
    gold: Mapped[str | None] = mapped_column(Enum("a", "b", name="gold", native_enum=False, create_constraint=True))
    gold_kind: Mapped[str | None]
    votes_wanted: Mapped[int] = mapped_column(default=0, server_default="0")
    image_a: Mapped[ImageRow] = relationship(foreign_keys=[image_a_id])
    image_b: Mapped[ImageRow] = relationship(foreign_keys=[image_b_id])


class RaterRow(Base):
    """`code` is the pseudonym of exports; of the invite's token only the hash is kept.

    `return_url`: where a recruiting platform wants its people back; `{code}` in it stands for the completion code.
    """

    __tablename__ = "rater"
    __table_args__ = (UniqueConstraint("token_sha"), UniqueConstraint("code"))
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    code: Mapped[str]
    token_sha: Mapped[str] = mapped_column(String(64))
    invited_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    simulated: Mapped[bool] = mapped_column(default=False)
    languages: Mapped[list[str]] = mapped_column(default=list)
    background: Mapped[dict[str, Any]] = mapped_column(default=dict)
    viewing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    consented_at: Mapped[datetime | None]
    consent_version: Mapped[str | None]
    completion_code: Mapped[str]
    erased_at: Mapped[datetime | None]
    return_url: Mapped[str | None]
    study: Mapped[StudyRow] = relationship()


class SheetRow(Base):
    """One rater's work, drawn whole at opening. `questions` is the order in which they are asked.

    `hides_prompt`: questions that need no prompt are asked before it is revealed. `lang`: the one language of its
    prompts, for raters who know it; None where languages are mixed.
    Sheets of a simulated panel are drawn beside those of people, and never given to them.
    """

    __tablename__ = "sheet"
    __table_args__ = (
        UniqueConstraint("rater_id"),
        partial_index("ix_sheet_free", "study_id", "simulated", "id", where="rater_id IS NULL"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    rater_id: Mapped[int | None] = mapped_column(ForeignKey("rater.id"))
    simulated: Mapped[bool] = mapped_column(default=False)
    questions: Mapped[list[str]]
    hides_prompt: Mapped[bool] = mapped_column(default=False, server_default=false())
    lang: Mapped[str | None]
    assignments: Mapped[list[AssignmentRow]] = relationship(back_populates="sheet", order_by="AssignmentRow.position")


class AssignmentRow(Base):
    """A comparison on a sheet: its place, its side, and when it was shown and finished.

    Until `expires_at` it is held for the rater of its sheet; what is untouched then may go to another. `revealed_at`:
    when a hidden prompt was shown. `draw`: the drawing that it comes from; 0 is the opening's, each has its event.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("sheet_id", "comparison_id", "occasion"),
        UniqueConstraint("sheet_id", "position"),
        partial_index("ix_assignment_unfinished", "sheet_id", where="finished_at IS NULL"),
        partial_index("ix_assignment_drawn", "draw", where="draw > 0"),
        partial_index("ix_assignment_held", "expires_at", where="finished_at IS NULL"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    sheet_id: Mapped[int] = mapped_column(ForeignKey("sheet.id"))
    comparison_id: Mapped[int] = mapped_column(ForeignKey("comparison.id"), index=True)
    position: Mapped[int]
    occasion: Mapped[int] = mapped_column(default=1)
    a_is_left: Mapped[bool]
    served_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revealed_at: Mapped[datetime | None]
    draw: Mapped[int] = mapped_column(default=0, server_default="0")
    sheet: Mapped[SheetRow] = relationship(back_populates="assignments")
    comparison: Mapped[ComparisonRow] = relationship()
    votes: Mapped[list[VoteRow]] = relationship(order_by="VoteRow.id")
    reports: Mapped[list[ReportRow]] = relationship(order_by="ReportRow.id")
    comment: Mapped[CommentRow | None] = relationship(cascade="all, delete-orphan")


class VoteRow(Base):
    """What the person did: the side, not the system."""

    __tablename__ = "vote"
    __table_args__ = (UniqueConstraint("assignment_id", "question"), CheckConstraint("response_ms >= 0", "response_ms"))
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignment.id"))
    question: Mapped[str]
    choice: Mapped[str] = mapped_column(Enum(*CHOICES, name="choice", native_enum=False, create_constraint=True))
    response_ms: Mapped[int]
    cast_at: Mapped[datetime]
    app_version: Mapped[str]
    simulated: Mapped[bool]


class ReportRow(Base):
    """An image that a rater found unfit to be shown."""

    __tablename__ = "report_of_image"
    __table_args__ = (UniqueConstraint("assignment_id", "side"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignment.id"))
    side: Mapped[str] = mapped_column(Enum("left", "right", name="side", native_enum=False, create_constraint=True))
    reason: Mapped[str]
    at: Mapped[datetime]


class CommentRow(Base):
    """What a rater wrote about a comparison, if they wished."""

    __tablename__ = "comment"
    __table_args__ = (UniqueConstraint("assignment_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignment.id"))
    text: Mapped[str]
    at: Mapped[datetime]


class EventRow(Base):
    """A line of the study's log, chained by hashes. No line has two successors: (study, prev_sha) is unique."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("study_id", "prev_sha"), Index("ix_event_study_id_id", "study_id", "id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    at: Mapped[datetime]
    actor: Mapped[str]
    what: Mapped[str]
    detail: Mapped[dict[str, Any]]
    prev_sha: Mapped[str] = mapped_column(String(64))
    sha: Mapped[str] = mapped_column(String(64))
