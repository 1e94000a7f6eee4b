"""Every sheet that was begun has a hold on its next comparison: work that is left is found by that alone.

Sheets of versions that knew no holds are held until the rater's invite ends.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        UPDATE assignment
        SET expires_at = coalesce(
            (SELECT max(held.expires_at) FROM assignment held WHERE held.sheet_id = assignment.sheet_id),
            (SELECT rater.expires_at FROM rater JOIN sheet ON sheet.rater_id = rater.id
             WHERE sheet.id = assignment.sheet_id))
        WHERE finished_at IS NULL AND expires_at IS NULL
          AND position = (SELECT min(ahead.position) FROM assignment ahead
                          WHERE ahead.sheet_id = assignment.sheet_id AND ahead.finished_at IS NULL)
          AND sheet_id IN (SELECT id FROM sheet WHERE rater_id IS NOT NULL)
        """
    )
