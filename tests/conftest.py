"""What tests share: servers and deployments of the session's own, each in folders and on ports of its own.

    postgres_url     a fresh, empty database on an embedded Postgres              (a test)
    postgres15_url   the same on an external server: the system's Postgres, if any, as `initdb` and `postgres` make it
    deployment       a whole `skyray up`, used only through the command line and the admin API   (shared by the session)
    new_home         a folder for a deployment of the test's own; whatever runs in it at the end is stopped

Whatever a fixture starts it stops, whatever happens: by `skyray down`, or by the process that it started. Nothing here
goes by a process's name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from tests.support import ExternalPostgres, Skyray

from skyray.store.embedded import EmbeddedPostgres

_numbers = count(1)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder of the session's own with a short name (Ray's and Postgres' sockets are limited to 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="sk-"))
    folder.chmod(0o711)  # so that the account that runs Postgres for root can enter
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(short_folder: Path) -> Iterator[str]:
    """URL of an embedded Postgres of the session's own."""
    server = EmbeddedPostgres(short_folder / "pg")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres15_server(short_folder: Path) -> Iterator[str]:
    """URL of an external Postgres on TCP: the newest installed on this machine, else the one that we ship."""
    server = ExternalPostgres(short_folder / "xpg")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty database."""
    yield from _fresh_database(postgres_server)


@pytest.fixture
def postgres15_url(postgres15_server: str) -> Iterator[str]:
    """A fresh, empty database on the external server."""
    yield from _fresh_database(postgres15_server)


def _fresh_database(server_url: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{server_url.rpartition('/')[0]}/{name}"
    _execute(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def make_home(short_folder: Path) -> Iterator[Callable[[], Skyray]]:
    """A function that makes homes; what runs in them at the session's end is stopped."""
    made: list[Skyray] = []

    def make() -> Skyray:
        made.append(Skyray(short_folder / f"h{next(_numbers)}"))
        return made[-1]

    yield make
    for skyray in made:
        skyray.remove()


@pytest.fixture
def new_home(make_home: Callable[[], Skyray]) -> Iterator[Skyray]:
    """The command line on a home of the test's own. What runs in it at the end is stopped, and its files go."""
    skyray = make_home()
    yield skyray
    skyray.remove()


@pytest.fixture(scope="session")
def deployment(make_home: Callable[[], Skyray]) -> Skyray:
    """A deployment with two CPUs and a logical GPU, shared by all tests that do no harm to it."""
    skyray = make_home()
    skyray.up("--num-cpus", "2", "--num-gpus", "1", "--resources", '{"licence": 2}')
    return skyray
