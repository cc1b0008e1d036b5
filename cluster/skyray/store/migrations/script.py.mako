"""${message}."""

from __future__ import annotations

from skyray.store.migrations import run_sql_beside

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this module."""
    run_sql_beside(__file__)
