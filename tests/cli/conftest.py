"""The command line against the API tests' deployment: a real server over TCP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.api.conftest import control_plane, deployment, new_database, template, url
from tests.api.deployment import TOKEN, Deployment

from skyray.cli.main import cli

__all__ = ["control_plane", "deployment", "new_database", "template", "url"]

Skyray = Callable[..., Result]


@pytest.fixture
def skyray(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Skyray:
    """Runs a command with a home whose deployment.json and token lead to the deployment."""
    (tmp_path / "deployment.json").write_text(f'{{"api_address": "{deployment.address}"}}')
    (tmp_path / "token").write_text(TOKEN + "\n")
    for name in ("SKYRAY_API_ADDRESS", "SKYRAY_TOKEN", "SKYRAY_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SKYRAY_HOME", str(tmp_path))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return run
