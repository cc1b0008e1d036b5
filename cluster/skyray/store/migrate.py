"""Bring a database's schema to what this code knows, tell how far it is, and put in what every deployment starts with.

Called by ``skyray up`` and ``skyray db``, and by every actor before it touches the store (``require_current``).

    migrate(url)
    seed(url, default_pool_slots=128, partitions=1)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from skyray.core.ids import MAX_PARTITIONS
from skyray.core.model import DEFAULT_POOL
from skyray.errors import ConflictError, DatabaseVersionError, InvalidInputError
from skyray.store.engine import connect, make_engine, redact, translated

_VERSION_TABLE = "schema_revision"
_LOCK_KEY = 1397441793  # namespace of advisory locks: "SK" and a number; ...794 orders commands, see add_command


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """``current`` and ``head`` are revisions; ``ahead`` means that this code does not know the current one."""

    current: str | None
    head: str
    state: Literal["empty", "behind", "current", "ahead"]


def migrate(url: str) -> list[str]:
    """Apply the revisions that are missing, in one transaction, and return them. Two callers at once take turns.

    Raises ``DatabaseVersionError`` if the database is ahead of this code.
    """
    engine = make_engine(url, application_name="skyray-migrate")
    try:
        with translated(url), engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            before = _status(connection)
            if before.state == "ahead":
                raise _too_new(url, before)
            if before.state == "current":
                return []
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            missing = ScriptDirectory.from_config(config).iterate_revisions("head", before.current or "base")
            return [each.revision for each in reversed(list(missing))]
    finally:
        engine.dispose()


def check(url: str) -> SchemaStatus:
    """How the database's schema compares with what this code knows. Changes nothing."""
    engine = make_engine(url, application_name="skyray-check")
    try:
        with translated(url), engine.connect() as connection:
            return _status(connection)
    finally:
        engine.dispose()


def require_current(url: str) -> None:
    """Raise ``DatabaseVersionError`` unless the schema is exactly what this code knows."""
    status = check(url)
    if status.state == "ahead":
        raise _too_new(url, status)
    if status.state != "current":
        found = "has no Skyray schema" if status.current is None else f"is at revision {status.current}"
        raise DatabaseVersionError(
            f"the database {redact(url)} {found}; this version needs {status.head}", hint="run: skyray db migrate"
        )


def seed(url: str, *, default_pool_slots: int = 128, partitions: int = 1) -> None:
    """Put in what a deployment starts with: default_pool, the number of partitions, their leadership rows. Idempotent.

    Raises ``ConflictError`` if the database has DAGs under another number of partitions: their runs belong to those.
    """
    if not 0 < partitions <= MAX_PARTITIONS:
        raise InvalidInputError(f"partitions is {partitions}; it must be 1..{MAX_PARTITIONS}")
    if default_pool_slots < -1:
        raise InvalidInputError(f"default_pool_slots is {default_pool_slots}; it must be at least -1 (no limit)")
    connection = connect(url, application_name="skyray-seed", autocommit=False)
    try:
        with translated(url), connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
            cursor.execute("SELECT value::integer FROM setting WHERE name = 'partitions'")
            row = cursor.fetchone()
            if row is not None and row[0] != partitions:
                cursor.execute("SELECT 1 FROM dag LIMIT 1")
                if cursor.fetchone() is not None:
                    raise ConflictError(
                        f"partitions is {partitions}, but this database has DAGs in {row[0]}",
                        hint=f"set partitions to {row[0]}, or begin with an empty database",
                    )
            cursor.execute(
                "INSERT INTO setting (name, value) VALUES ('partitions', %s)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(partitions),),
            )
            cursor.execute(
                "INSERT INTO leadership (partition) SELECT generate_series(0, %s) ON CONFLICT DO NOTHING",
                (partitions - 1,),
            )
            cursor.execute(
                "INSERT INTO pool (name, slots, description) VALUES (%s, %s, 'Default pool') ON CONFLICT DO NOTHING",
                (DEFAULT_POOL, default_pool_slots),
            )
    finally:
        connection.close()


def _config() -> Config:
    config = Config()
    location = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _status(connection: Connection) -> SchemaStatus:
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head()
    assert head is not None
    current: str | None = None
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": _VERSION_TABLE}).scalar() is not None:
        current = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608
    if current is None:
        return SchemaStatus(None, head, "empty")
    if current == head:
        return SchemaStatus(current, head, "current")
    known = {each.revision for each in script.walk_revisions()}
    return SchemaStatus(current, head, "behind" if current in known else "ahead")


def _too_new(url: str, status: SchemaStatus) -> DatabaseVersionError:
    return DatabaseVersionError(
        f"the database {redact(url)} is at revision {status.current}, which this version does not know",
        hint=f"use the newer Skyray that migrated it (this one knows up to {status.head})",
    )
