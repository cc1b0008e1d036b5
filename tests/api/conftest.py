"""A deployment without Ray for each test: see deployment.py. Postgres is the store's tests'."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.deployment import ControlPlane, Deployment
from tests.store.conftest import new_database, server_url, template, url

from skyray.api.client import Client

__all__ = ["new_database", "server_url", "template", "url"]


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
