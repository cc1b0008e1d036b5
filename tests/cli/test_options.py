"""Where the command line finds the API and the token, and how it says that it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skyray.cli.main import cli
from skyray.errors import ClusterUnreachableError


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SKYRAY_API_ADDRESS", "SKYRAY_TOKEN", "SKYRAY_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SKYRAY_HOME", str(tmp_path))


class _Unreachable:
    """In place of the client: nothing is reached, and the error says what was tried."""

    def __init__(self, address: str, *, token: str) -> None:
        raise ClusterUnreachableError(f"address {address} token {token}")


@pytest.fixture
def _nothing_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyray.api.client.Client", _Unreachable)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_without_a_deployment_the_exit_code_is_3_and_a_hint_is_given() -> None:
    result = run("dags", "list")
    assert result.exit_code == 3
    first, hint = result.stderr.splitlines()
    assert first.startswith("Error: no deployment under ")
    assert "skyray up" in hint
    assert result.stdout == ""


@pytest.mark.usefixtures("_nothing_is_reached")
def test_the_address_comes_from_what_up_wrote_down(tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text(json.dumps({"api_address": "127.0.0.1:1"}))
    assert "127.0.0.1:1" in run("dags", "list").stderr


@pytest.mark.usefixtures("_nothing_is_reached")
def test_the_token_is_the_homes_unless_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = ("dags", "list", "--api-address", "127.0.0.1:1")
    assert "token \n" in run(*at).stderr
    (tmp_path / "token").write_text("of-home\n")
    assert "token of-home" in run(*at).stderr
    monkeypatch.setenv("SKYRAY_TOKEN", "of-environment")
    assert "token of-environment" in run(*at).stderr
    assert "token given" in run(*at, "--token", "given").stderr
    (tmp_path / "other").write_text("of-file\n")
    assert "token of-file" in run(*at, "--token-file", str(tmp_path / "other")).stderr


@pytest.mark.usefixtures("_nothing_is_reached")
def test_the_address_given_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployment.json").write_text(json.dumps({"api_address": "127.0.0.1:1"}))
    monkeypatch.setenv("SKYRAY_API_ADDRESS", "127.0.0.1:2")
    assert "127.0.0.1:2" in run("dags", "list").stderr
    assert "127.0.0.1:3" in run("dags", "list", "--api-address", "127.0.0.1:3").stderr
    assert "127.0.0.1:4" in run("--api-address", "127.0.0.1:4", "dags", "list").stderr


def test_a_broken_deployment_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text("{")
    result = run("dags", "list")
    assert result.exit_code == 2
    assert "deployment.json" in result.stderr


def test_a_token_file_that_is_not_there_is_named() -> None:
    result = run("dags", "list", "--api-address", "127.0.0.1:1", "--token-file", "/nowhere/token")
    assert result.exit_code == 2
    assert "/nowhere/token" in result.stderr


def test_a_wrong_setting_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRAY_PARTITIONS", "many")
    result = run("dags", "list")
    assert result.exit_code == 2
    assert "SKYRAY_PARTITIONS" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("backfill", "create", "x"), ("variables", "list"), ("connections", "get"), ("assets",), ("tokens", "list"),
        ("runs", "clear", "d", "r", "--yes"), ("runs", "set-state"), ("tasks", "clear", "--help"),
        ("cluster", "resources"), ("cluster", "failover", "0"), ("db", "clean"),
    ],
)  # fmt: skip
def test_commands_that_are_to_come_say_so(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "not supported" in result.stderr


def test_commands_that_are_to_come_are_not_advertised() -> None:
    assert "backfill" not in run("--help").stdout
    assert "clear" not in run("runs", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dags", "trigger"), "DAG_ID"),
        (("dags", "trigger", "a", "--conf", "[1]"), "JSON object"),
        (("dags", "trigger", "a", "--conf", "{"), "not JSON"),
        (("dags", "trigger", "a", "--logical-date", "yesterday"), "yesterday"),
        (("dags", "trigger", "a", "--timeout", "3"), "--wait"),
        (("dags", "next", "a", "-n", "0"), "0"),
        (("dags", "list", "-o", "xml"), "xml"),
        (("pools", "set", "a", "many"), "many"),
        (("pools", "set", "a", "-2"), "-2"),
        (("nonsense",), "nonsense"),
        (("dags", "submit", "/nowhere"), "/nowhere"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_no_database_is_named_as_the_trouble() -> None:
    result = run("db", "check")
    assert result.exit_code == 2
    assert "SKYRAY_DATABASE_URL" in result.stderr
