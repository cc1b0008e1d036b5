"""What Alembic runs to migrate: on the connection, and in the transaction, that skyray.store.migrate hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="schema_revision", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
