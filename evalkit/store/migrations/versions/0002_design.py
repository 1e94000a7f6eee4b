"""Golds, repeats, warm-ups; hidden prompts; languages; comments; pilots and previews; work that returns to the pool.

Columns with a check are added in plain SQL, the same for SQLite and PostgreSQL: SQLite adds no constraint afterwards.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Boolean, Column, DateTime, ForeignKey, Integer, String, UniqueConstraint, false

revision = "0002"
down_revision = "0001"

TIME = DateTime(timezone=True)


def upgrade() -> None:
    _checked("study", "mode", ("study", "pilot", "preview"), "study")
    _checked("comparison", "kind", ("vote", "gold", "warmup"), "vote")
    _checked("comparison", "gold", ("a", "b"), None)
    _add("study", Column("rehearses", String(64)))
    _add("prompt", Column("translations", JSON, nullable=False, server_default="{}"))
    _add("comparison", Column("gold_kind", String), Column("votes_wanted", Integer, nullable=False, server_default="0"))
    _add("rater", Column("return_url", String))
    _add("sheet", Column("hides_prompt", Boolean, nullable=False, server_default=false()), Column("lang", String))
    _add("assignment", Column("expires_at", TIME), Column("revealed_at", TIME))
    _add("assignment", Column("draw", Integer, nullable=False, server_default="0"))
    op.create_table(
        "comment",
        Column("id", Integer, primary_key=True),
        Column("assignment_id", Integer, ForeignKey("assignment.id"), nullable=False),
        *(Column("text", String, nullable=False), Column("at", TIME, nullable=False)),
        UniqueConstraint("assignment_id"),
    )


def _add(table: str, *columns: Column[object]) -> None:
    for column in columns:
        op.add_column(table, column)


def _checked(table: str, column: str, values: tuple[str, ...], default: str | None) -> None:
    length, listed = max(map(len, values)), ", ".join(f"'{value}'" for value in values)
    given = f" NOT NULL DEFAULT '{default}'" if default else ""
    check = f"CONSTRAINT ck_{table}_{column} CHECK ({column} IN ({listed}))"
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} VARCHAR({length}){given} {check}")
