"""Every client command against a real server: what it prints, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from tests.api.deployment import TOKEN, ControlPlane, Deployment, a_dag, wait_until
from tests.cli.conftest import Skyray

from skyray.core.logs import log_path
from skyray.core.messages import OutcomeKind
from skyray.core.model import TaskSpec
from skyray.core.parsed import ParsedDag, ParsedFile, ParseError


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_submit_prints_dags_and_exits_1_if_one_was_refused(
    control_plane: ControlPlane, skyray: Skyray, tmp_path: Path
) -> None:
    folder = tmp_path / "mydags"
    folder.mkdir()
    (folder / "etl.py").write_text("from skyray import DAG\n")
    control_plane.parsed = [ParsedFile("etl.py", (ParsedDag(a_dag(), "1"),), (), 0.0)]
    result = skyray("dags", "submit", str(folder))
    assert result.exit_code == 0, result.output
    assert "etl" in result.stdout
    control_plane.parsed.append(ParsedFile("bad.py", (), (ParseError("bad.py", None, 3, "ValueError: no", ""),), 0.0))
    result = skyray("dags", "submit", str(folder), "--name", "mydags")
    assert result.exit_code == 1
    assert "refused bad.py:3: ValueError: no" in result.stderr
    result = skyray("dags", "submit", str(folder), "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["bundle_name"] == "mydags"
    (error,) = _json(skyray("dags", "errors", "-o", "json"))
    assert {name: error[name] for name in ("path", "dag_id", "line", "message")} == {
        "path": "bad.py", "dag_id": None, "line": 3, "message": "ValueError: no",
    }  # fmt: skip


def test_dags_are_listed_shown_paused_and_deleted(control_plane: ControlPlane, skyray: Skyray) -> None:
    assert "skyray dags submit" in skyray("dags", "list").stdout
    assert _json(skyray("dags", "list", "-o", "json")) == []
    control_plane.publish(a_dag("a"), a_dag("b"))
    assert [dag["dag_id"] for dag in _json(skyray("dags", "list", "-o", "json"))] == ["a", "b"]
    assert yaml.safe_load(skyray("dags", "list", "-o", "yaml").stdout)[1]["dag_id"] == "b"
    assert "extract" in skyray("dags", "show", "a").stdout
    assert len(_json(skyray("dags", "show", "a", "-o", "json"))["tasks"]) == 2
    assert [dag["is_paused"] for dag in _json(skyray("dags", "pause", "a", "b", "-o", "json"))] == [True, True]
    assert _json(skyray("-o", "json", "dags", "unpause", "a"))["is_paused"] is False
    assert _json(skyray("dags", "next", "a", "-n", "3", "-o", "json")) == []
    control_plane.publish(a_dag("a"))
    assert skyray("dags", "delete", "b").exit_code == 0
    result = skyray("dags", "show", "b")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: ")


def test_trigger_answers_with_the_run(control_plane: ControlPlane, skyray: Skyray) -> None:
    control_plane.publish(a_dag("a"), a_dag("b"))
    options = ("--conf", '{"n": 1}', "--run-id", "r1", "--logical-date", "2026-01-01T00:00:00Z", "--note", "hi")
    run = _json(skyray("dags", "trigger", "a", *options, "-o", "json"))
    assert (run["dag_id"], run["run_id"], run["conf"], run["note"]) == ("a", "r1", {"n": 1}, "hi")
    assert run["logical_date"] == "2026-01-01T00:00:00+00:00"
    assert skyray("dags", "trigger", "a", "--run-id", "r1").exit_code == 5
    runs = _json(skyray("dags", "trigger", "a", "b", "-o", "json"))
    assert [run["dag_id"] for run in runs] == ["a", "b"]
    assert skyray("dags", "trigger", "none").exit_code == 4


def test_trigger_of_several_makes_no_run_if_one_does_not_exist_and_shows_those_it_made(
    control_plane: ControlPlane, skyray: Skyray
) -> None:
    control_plane.publish(a_dag("a"), a_dag("b"))
    assert skyray("dags", "trigger", "a", "none").exit_code == 4
    assert _json(skyray("runs", "list", "a", "-o", "json")) == []
    skyray("dags", "trigger", "b", "--run-id", "r")
    result = skyray("dags", "trigger", "a", "b", "--run-id", "r", "-o", "json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["dag_id"] == "a"
    skyray("dags", "pause", "a")
    assert "DAG a is paused" in skyray("dags", "trigger", "a").stderr


@pytest.mark.parametrize(("kind", "exit_code"), [(OutcomeKind.SUCCESS, 0), (OutcomeKind.FAILED, 1)])
def test_trigger_waits_for_all_runs(
    control_plane: ControlPlane, skyray: Skyray, kind: OutcomeKind, exit_code: int
) -> None:
    control_plane.publish(a_dag("a", TaskSpec("t1")), a_dag("b", TaskSpec("t2")))
    results: list[Result] = []
    waiter = threading.Thread(target=lambda: results.append(skyray("dags", "trigger", "a", "b", "--wait")))
    waiter.start()
    control_plane.finish("t1")
    control_plane.finish("t2", kind)
    waiter.join(20)
    (result,) = results
    assert result.exit_code == exit_code, result.output
    assert "success" in result.stdout


def test_trigger_gives_up_waiting(control_plane: ControlPlane, skyray: Skyray) -> None:
    control_plane.publish(a_dag("a"))
    result = skyray("dags", "trigger", "a", "--wait", "--timeout", "0.5", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "running"
    assert "0.5 s" in result.stderr


def test_runs_are_listed_shown_watched_and_cancelled(control_plane: ControlPlane, skyray: Skyray) -> None:
    assert skyray("runs", "list").stdout == "No runs.\n"
    control_plane.publish(a_dag("a"))
    skyray("dags", "trigger", "a", "--run-id", "r")
    assert [run["run_id"] for run in _json(skyray("runs", "list", "a", "-o", "json"))] == ["r"]
    assert _json(skyray("runs", "list", "--state", "failed", "-o", "json")) == []
    assert "running" in skyray("runs", "show", "a", "r").stdout
    command = [sys.executable, "-m", "skyray", "runs", "watch", "a", "r", "-o", "json"]  # finds the API by the home
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    control_plane.finish("extract")
    assert _json(skyray("runs", "cancel", "a", "r", "--note", "enough", "-o", "json"))["state"] == "failed"
    output, _ = watcher.communicate(timeout=30)
    changes = [json.loads(line) for line in output.splitlines()]
    assert watcher.returncode == 1
    assert changes[-1]["run"]["state"] == "failed"
    assert {change["task_instance"]["task_id"] for change in changes if "task_instance" in change} == {
        "extract", "load",
    }  # fmt: skip
    result = skyray("runs", "watch", "a", "r")
    assert result.exit_code == 1
    assert "load" in result.stdout


def test_tasks_are_listed_and_shown(control_plane: ControlPlane, skyray: Skyray) -> None:
    control_plane.publish(a_dag("a"))
    skyray("dags", "trigger", "a", "--run-id", "r")
    tasks = _json(skyray("tasks", "list", "a", "r", "-o", "json"))
    assert [(task["task_id"], task["map_index"], task["state"]) for task in tasks] == [
        ("extract", -1, "queued"), ("load", -1, None),
    ]  # fmt: skip
    control_plane.finish("extract")
    shown = _json(skyray("tasks", "show", "a", "r", "extract", "-o", "json"))
    assert [attempt["state"] for attempt in shown["attempts"]] == ["success"]
    assert "ATTEMPTS" not in skyray("tasks", "show", "a", "r", "load").stdout
    assert skyray("tasks", "show", "a", "r", "none").exit_code == 4


def test_logs_are_printed_as_they_were_written(control_plane: ControlPlane, skyray: Skyray) -> None:
    control_plane.publish(a_dag("a", TaskSpec("t")))
    skyray("dags", "trigger", "a", "--run-id", "r")
    control_plane.logs[log_path("a", "r", "t", -1, 1)] = b"one\ntwo without end of line"
    control_plane.finish("t")
    assert skyray("tasks", "logs", "a", "r", "t").stdout_bytes == b"one\ntwo without end of line"
    assert skyray("tasks", "logs", "a", "r", "t", "-f", "--try", "1").stdout_bytes.startswith(b"one\n")
    record = _json(skyray("tasks", "logs", "a", "r", "t", "-o", "json"))
    assert (record["try_number"], record["content"]) == (1, "one\ntwo without end of line")


def test_pools(skyray: Skyray) -> None:
    made = _json(skyray("pools", "set", "db", "3", "--description", "connections", "-o", "json"))
    assert (made["name"], made["slots"]) == ("db", 3)
    assert _json(skyray("pools", "set", "db", "-1", "-o", "json"))["slots"] == -1
    assert "connections" in skyray("pools", "show", "db").stdout
    assert [pool["name"] for pool in _json(skyray("pools", "list", "-o", "json"))] == ["db", "default_pool"]
    assert skyray("pools", "delete", "db").exit_code == 0
    assert skyray("pools", "delete", "db").exit_code == 4
    assert skyray("pools", "delete", "default_pool").exit_code == 5


def test_the_cluster(skyray: Skyray) -> None:
    (leader,) = _json(skyray("cluster", "leaders", "-o", "json"))
    assert leader.keys() == {"partition", "holder", "epoch", "since"}
    actors = _json(skyray("cluster", "actors", "-o", "json"))
    assert all(actor.keys() == {"name", "role", "node_id", "pid", "state", "leads"} for actor in actors)
    assert _json(skyray("cluster", "nodes", "-o", "json"))[0]["resources"]["CPU"] == 4
    assert "scheduler-0" in skyray("cluster", "actors").stdout


def test_a_wrong_token_is_exit_code_6(skyray: Skyray) -> None:
    result = skyray("dags", "list", "--token", "wrong")
    assert result.exit_code == 6
    assert "token" in result.stderr


def test_the_database_is_checked(skyray: Skyray, url: str, new_database: Any) -> None:
    status = _json(skyray("db", "check", "--database-url", url, "-o", "json"))
    assert status["state"] == "current"
    empty = new_database()
    assert skyray("db", "check", "--database-url", empty).exit_code == 5
    assert _json(skyray("db", "migrate", "--database-url", empty, "-o", "json"))["state"] == "current"
    assert skyray("db", "check", "--database-url", empty).exit_code == 0
    assert skyray("db", "check", "--database-url", "postgresql://127.0.0.1:1/x").exit_code == 3


def test_as_a_process_output_is_plain_and_errors_go_to_stderr(
    control_plane: ControlPlane, deployment: Deployment, tmp_path: Path
) -> None:
    control_plane.publish(a_dag("a", TaskSpec("t")))

    def skyray(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "skyray", "--api-address", deployment.address, "--token", TOKEN, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert skyray("dags", "trigger", "a", "--run-id", "r").returncode == 0
    wait_until(lambda: control_plane.held)
    control_plane.finish("t", OutcomeKind.FAILED)
    done = skyray("runs", "list")
    assert "failed" in done.stdout
    assert "\x1b" not in done.stdout
    done = skyray("runs", "show", "a", "none")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: ")
