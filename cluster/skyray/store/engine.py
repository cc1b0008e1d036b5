"""Connections to Postgres, all made alike: one function for psycopg2, one for a pooled SQLAlchemy engine on top of it.

Called by every module of the store. What goes wrong becomes StoreUnavailableError, and no message has a password in it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from skyray.errors import DatabaseVersionError, InvalidInputError
from skyray.store.errors import StoreUnavailableError

PgConnection = psycopg2.extensions.connection

#: Postgres 14 brought client_connection_check_interval and idle_session_timeout, which fencing in time rests on.
SERVER_VERSION_MIN = 140000
CONNECT_SECONDS_MAX = 5
_PREFIX = re.compile(r"^(postgres|postgresql)(\+psycopg2?)?://", re.IGNORECASE)
#: A dead server or network is noticed within 12 seconds, also by whoever waits for an answer.
_KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 12_000,
}


def normalise_url(url: str) -> str:
    """The URL as libpq takes it: ``postgresql://…``. SQLAlchemy's ``postgresql+psycopg2://`` is welcome.

    Raises ``InvalidInputError`` for anything that is no Postgres URL.

    >>> normalise_url("postgres://me@db/airflow")
    'postgresql://me@db/airflow'
    """
    text = url.strip()
    if not _PREFIX.match(text):
        scheme = text.split("://", 1)[0] if "://" in text else "no scheme"
        raise InvalidInputError(
            f"not a Postgres URL: {scheme!r} where 'postgresql://' was expected",
            hint="database_url looks like postgresql://user:password@host:5432/database",
        )
    text = _PREFIX.sub("postgresql://", text)
    try:
        make_url(text)
    except (ArgumentError, ValueError):
        raise InvalidInputError(f"not a valid Postgres URL: {redact(text)}") from None
    return text


def redact(url: str) -> str:
    """The URL for people's eyes: without the password, wherever it stands.

    >>> redact("postgresql://me:secret@db/airflow")
    'postgresql://me:***@db/airflow'
    """
    text = re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1***", url)
    return re.sub(r"(://[^:/?#@]*):.*@", r"\1:***@", text)


def connect(
    url: str, *, application_name: str = "skyray", autocommit: bool = True, settings: Mapping[str, str] | None = None
) -> PgConnection:
    """A connection of one's own, in UTC. ``settings`` are server settings for its session, ``{"lock_timeout": "2s"}``.

    Raises ``StoreUnavailableError`` if the server cannot be reached, ``DatabaseVersionError`` if it is too old.
    """
    with translated(url):
        connection: PgConnection = psycopg2.connect(
            normalise_url(url),
            application_name=application_name,
            connect_timeout=CONNECT_SECONDS_MAX,
            client_encoding="UTF8",
            **_KEEPALIVES,
        )
        try:
            if connection.server_version < SERVER_VERSION_MIN:
                found = connection.server_version // 10000
                raise DatabaseVersionError(f"Postgres {found} at {redact(url)}; Skyray needs 14 or newer")
            connection.autocommit = True
            with connection.cursor() as cursor:
                # By statement, since poolers refuse what is asked at the connection's start.
                wanted = {"timezone": "UTC", **(settings or {})}
                cursor.execute(
                    "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)",
                    (list(wanted), list(wanted.values())),
                )
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
    return connection


def make_engine(
    url: str,
    *,
    application_name: str = "skyray",
    pool_size: int = 5,
    settings: Mapping[str, str] | None = None,
) -> Engine:
    """A pooled SQLAlchemy engine; a connection that died while idle is replaced unnoticed. Connects at first use."""
    address = normalise_url(url)
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect(address, application_name=application_name, autocommit=False, settings=settings),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_SECONDS_MAX,
        pool_pre_ping=True,
    )


@contextlib.contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn a broken or refused connection into StoreUnavailableError. Other database errors pass: they are bugs."""
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise unavailable(url, error) from None
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, (psycopg2.OperationalError, psycopg2.InterfaceError)):
            raise unavailable(url, error.orig or error) from None
        raise


def unavailable(url: str, error: BaseException) -> StoreUnavailableError:
    """The error for a connection that failed with ``error``."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    reason = "; ".join(lines[:3]) or type(error).__name__
    password = make_url(normalise_url(url)).password
    if password:
        reason = reason.replace(str(password), "***")
    hint = "check database_url, and that the server runs"
    return StoreUnavailableError(f"Postgres at {redact(url)}: {reason}", hint=hint)
