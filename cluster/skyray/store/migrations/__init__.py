"""The schema's history: Alembic's script directory. Run through skyray.store.migrate, never by Alembic's command."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_sql_beside(module_file: str) -> None:
    """Run the SQL file of the same name as a revision's module, as it stands: no parameters, ``%`` means itself."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(Path(module_file).with_suffix(".sql").read_text(encoding="utf-8"))
    cursor.close()
