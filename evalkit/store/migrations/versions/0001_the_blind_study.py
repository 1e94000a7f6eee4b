"""The tables of the blind study. A migration is frozen: it leans on no table class, which later versions may change."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
)

revision = "0001"
down_revision = None

SHA = String(64)
TIME = DateTime(timezone=True)


def upgrade() -> None:
    _studies()
    _raters()
    _assignments()
    _votes()


def _studies() -> None:
    _table(
        "study",
        *(_column("slug", String), _column("study_sha", SHA), _column("spec", JSON)),
        *(_column("opened_at", TIME), _column("closed_at", TIME, nullable=True)),
        UniqueConstraint("slug", "study_sha"),
    )
    _table(
        "prompt",
        *(_link("study"), _column("key", String), _column("lang", String), _column("text", String)),
        UniqueConstraint("study_id", "key", "lang"),
    )
    _table(
        "image",
        *(_link("prompt", index=True), _column("arm", String), _column("key", String), _column("path", String)),
        *(_column("sha256", SHA), UniqueConstraint("key")),
    )
    _table(
        "comparison",
        *(_link("study", index=True), _link("image", "image_a_id"), _link("image", "image_b_id", index=True)),
        *(UniqueConstraint("image_a_id", "image_b_id"), CheckConstraint("image_a_id != image_b_id", name="two")),
    )


def _raters() -> None:
    _table(
        "rater",
        *(_link("study", index=True), _column("code", String), _column("token_sha", SHA), _column("invited_at", TIME)),
        *(_column("expires_at", TIME), _column("revoked_at", TIME, nullable=True), _column("simulated", Boolean)),
        *(_column("languages", JSON), _column("background", JSON), _column("viewing", JSON)),
        *(_column("consented_at", TIME, nullable=True), _column("consent_version", String, nullable=True)),
        *(_column("completion_code", String), _column("erased_at", TIME, nullable=True)),
        *(UniqueConstraint("token_sha"), UniqueConstraint("code")),
    )


def _assignments() -> None:
    _table(
        "sheet",
        *(_link("study", index=True), _link("rater", nullable=True), _column("simulated", Boolean)),
        *(_column("questions", JSON), UniqueConstraint("rater_id")),
    )
    _table(
        "assignment",
        *(_link("sheet"), _link("comparison", index=True), _column("position", Integer), _column("occasion", Integer)),
        *(_column("a_is_left", Boolean), _column("served_at", TIME, nullable=True)),
        _column("finished_at", TIME, nullable=True),
        *(UniqueConstraint("sheet_id", "comparison_id", "occasion"), UniqueConstraint("sheet_id", "position")),
    )


def _votes() -> None:
    choice = Enum("left", "tie", "right", "neither", name="choice", native_enum=False, create_constraint=True)
    _table(
        "vote",
        *(_link("assignment"), _column("question", String), _column("choice", choice), _column("response_ms", Integer)),
        *(_column("cast_at", TIME), _column("app_version", String), _column("simulated", Boolean)),
        *(UniqueConstraint("assignment_id", "question"), CheckConstraint("response_ms >= 0", name="response_ms")),
    )
    side = Enum("left", "right", name="side", native_enum=False, create_constraint=True)
    _table(
        "report_of_image",
        *(_link("assignment"), _column("side", side), _column("reason", String), _column("at", TIME)),
        UniqueConstraint("assignment_id", "side"),
    )
    _table(
        "event",
        *(_link("study"), _column("at", TIME), _column("actor", String), _column("what", String)),
        *(_column("detail", JSON), _column("prev_sha", SHA), _column("sha", SHA)),
        UniqueConstraint("study_id", "prev_sha"),
    )


def _table(name: str, *parts: Any) -> None:
    """A table with a number for a key; constraints are named by the convention of the metadata."""
    op.create_table(name, Column("id", Integer, primary_key=True), *parts)


def _column(name: str, kind: Any, *, nullable: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=nullable)


def _link(table: str, name: str = "", *, nullable: bool = False, index: bool = False) -> Column[int]:
    return Column(name or f"{table}_id", Integer, ForeignKey(f"{table}.id"), nullable=nullable, index=index)
