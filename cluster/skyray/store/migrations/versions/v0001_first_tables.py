"""Bundles, DAGs and their versions, runs, task instances, XComs, leadership, the command inbox, pools."""

from __future__ import annotations

from skyray.store.migrations import run_sql_beside

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this module."""
    run_sql_beside(__file__)
