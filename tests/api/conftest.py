"""A deployment without Ray for each test: see deployment.py. Here ``deployment`` is that one, not the session's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from tests.api.deployment import ControlPlane, Deployment
from tests.store.examples import sql

from skyray.api.client import Client
from skyray.store.migrate import migrate, seed

_numbers = count(1)


@pytest.fixture(scope="session")
def new_database(postgres_server: str) -> Callable[..., str]:
    """A function that makes a database (a copy of another, or empty) and returns its URL. They go with the server."""

    def make(copy_of: str = "template0") -> str:
        name = f"skyray_api_{next(_numbers)}"
        sql(postgres_server, f"CREATE DATABASE {name} TEMPLATE {copy_of}")
        return f"{postgres_server.rpartition('/')[0]}/{name}"

    return make


@pytest.fixture(scope="session")
def template(new_database: Callable[..., str]) -> str:
    """The name of a migrated database that is copied for each test."""
    url = new_database()
    migrate(url)
    seed(url)
    return url.rpartition("/")[2]


@pytest.fixture
def url(new_database: Callable[..., str], template: str) -> str:
    """A migrated database of the test's own, with one partition."""
    return new_database(template)


@pytest.fixture
def control_plane(url: str) -> Iterator[ControlPlane]:
    """The played control plane."""
    plane = ControlPlane(url)
    yield plane
    plane.close()


@pytest.fixture
def deployment(url: str, control_plane: ControlPlane) -> Iterator[Deployment]:
    """A running server."""
    running = Deployment(url, control_plane)
    yield running
    running.stop()


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """A client with the token."""
    with deployment.client() as connected:
        yield connected
