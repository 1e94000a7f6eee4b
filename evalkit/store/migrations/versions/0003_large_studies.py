"""Indexes for studies of a million assignments: free sheets, work that is left, lapsed holds, a log's end."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"

FREE, UNFINISHED, DRAWN = "rater_id IS NULL", "finished_at IS NULL", "draw > 0"


def upgrade() -> None:
    _partial("ix_sheet_free", "sheet", ["study_id", "simulated", "id"], FREE)
    _partial("ix_assignment_unfinished", "assignment", ["sheet_id"], UNFINISHED)
    _partial("ix_assignment_held", "assignment", ["expires_at"], UNFINISHED)
    _partial("ix_assignment_drawn", "assignment", ["draw"], DRAWN)
    op.create_index("ix_event_study_id_id", "event", ["study_id", "id"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=text(where), sqlite_where=text(where))
