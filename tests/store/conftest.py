"""A real Postgres for the store's tests: one server a session, one fresh, migrated database a test.

``SKYRAY_TEST_DATABASE_URL`` (of a superuser) names a server to use instead, of another version for instance.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.store.examples import sql

from skyray.store.embedded import EmbeddedPostgres
from skyray.store.migrate import migrate, seed

_numbers = count(1)
_TEMPLATE = f"skyray_test_{os.getpid()}"


def _in(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server's URL."""
    given = os.environ.get("SKYRAY_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="skyray-test-"))
    folder.chmod(0o711)  # so that Postgres' account gets in, and the server's files stay in this folder
    server = EmbeddedPostgres(folder / "postgres")
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated database that is copied for each test."""
    sql(server_url, f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
    migrate(_in(server_url, _TEMPLATE))
    seed(_in(server_url, _TEMPLATE), default_pool_slots=128, partitions=1)
    yield _TEMPLATE
    sql(server_url, f"DROP DATABASE {_TEMPLATE} WITH (FORCE)")


@pytest.fixture
def new_database(server_url: str) -> Iterator[Callable[..., str]]:
    """A function that makes a database (a copy of another, or empty) and returns its URL."""
    made: list[str] = []

    def make(copy_of: str = "template0") -> str:
        made.append(f"{_TEMPLATE}_{next(_numbers)}")
        sql(server_url, f"CREATE DATABASE {made[-1]} TEMPLATE {copy_of}")
        return _in(server_url, made[-1])

    yield make
    for name in made:
        sql(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def url(new_database: Callable[..., str], template: str) -> str:
    """A migrated database of the test's own, with one partition."""
    return new_database(template)
