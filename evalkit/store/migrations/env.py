"""Run by `evalkit.store.db.upgrade` with an open connection; there is no alembic.ini."""

from alembic import context

from evalkit.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
