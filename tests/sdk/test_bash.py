"""BashOperator: real commands, their output, exit codes, environment, and their end with the task."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support import wait_for

from skyray import DAG
from skyray.exceptions import AirflowException, AirflowSkipException, AirflowTaskTimeout
from skyray.operators import BashOperator
from skyray.operators.process_group import ProcessGroup


def run(command: str, **kwargs: Any) -> Any:
    return BashOperator(task_id="t", bash_command=command, **kwargs).execute({})


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("command", "options", "result"),
    [
        ("echo one; echo two", {}, "two"),
        ("echo out; echo err >&2", {}, "err"),
        ("true", {}, ""),
        ("printf 'no newline'", {}, "no newline"),
        ("printf 'caf\\xe9'", {"output_encoding": "latin-1"}, "café"),
        ("printf '\\xff'", {}, "\\xff"),
        ("echo 5", {"output_processor": int}, 5),
        ("echo $A-$HOME", {"env": {"A": "x"}}, "x-"),
        ("echo $A-$HOME", {"env": {"A": "x"}, "append_env": True}, f"x-{os.environ.get('HOME', '')}"),
        ("pwd", {"cwd": "/"}, "/"),
        ("cat", {}, ""),  # standard input is empty
        ("[[ a == a ]] && echo bash", {}, "bash"),
    ],
)
def test_last_line_is_the_result(command: str, options: dict[str, Any], result: Any) -> None:
    assert run(command, **options) == result


@pytest.mark.parametrize(
    ("command", "options", "error", "words"),
    [
        ("exit 1", {}, AirflowException, "exit code 1"),
        ("exit 99", {}, AirflowSkipException, "99"),
        ("exit 7", {"skip_on_exit_code": 7}, AirflowSkipException, "7"),
        ("exit 8", {"skip_on_exit_code": [7, 8]}, AirflowSkipException, "8"),
        ("exit 99", {"skip_on_exit_code": None}, AirflowException, "exit code 99"),
        ("kill -9 $$", {}, AirflowException, "SIGKILL"),
        ("true", {"cwd": "/nowhere"}, AirflowException, "'/nowhere' does not exist"),
        ("true", {"cwd": "/etc/passwd"}, AirflowException, "not a folder"),
    ],
)
def test_exit_codes_and_errors(command: str, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        run(command, **options)
    assert type(caught.value) is error


def test_output_is_logged_line_by_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run("echo one; echo two")
    assert [record.message for record in caplog.records] == ["one", "two"]


def test_command_runs_in_a_temporary_folder_that_is_removed() -> None:
    folder = run("touch left-behind; pwd")
    assert not os.path.exists(folder)


def test_environment_says_which_task_this_is() -> None:
    with DAG("d"):
        operator = BashOperator(task_id="t", bash_command="env | grep ^AIRFLOW_CTX | sort | tr '\\n' ' '")
    found = operator.execute(
        {
            "dag": operator.dag,
            "task": operator,
            "ti": SimpleNamespace(try_number=2),
            "run_id": "r",
            "logical_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
        }
    )
    assert dict(item.split("=") for item in found.split()) == {
        "AIRFLOW_CTX_DAG_ID": "d",
        "AIRFLOW_CTX_DAG_OWNER": "airflow",
        "AIRFLOW_CTX_DAG_RUN_ID": "r",
        "AIRFLOW_CTX_LOGICAL_DATE": "2026-01-01T00:00:00+00:00",
        "AIRFLOW_CTX_TASK_ID": "t",
        "AIRFLOW_CTX_TRY_NUMBER": "2",
    }


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_on_kill_ends_the_command_and_its_children(trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyray.operators.bash._TERMINATION_SECONDS", 0.3)
    pids = tmp_path / "pids"
    operator = BashOperator(task_id="t", bash_command=f"{trap}sleep 300 & echo $$ $! > {pids}; wait; sleep 300")
    errors: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute({})
        except AirflowException as error:
            errors.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the command has started")
    operator.on_kill()
    thread.join(20)
    assert not thread.is_alive()
    assert len(errors) == 1
    wait_for(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), "its processes have ended")


def test_on_kill_ends_children_of_a_command_that_has_ended_itself(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    operator = BashOperator(task_id="t", bash_command=f"sleep 300 & echo $! > {pid}")
    thread = threading.Thread(target=operator.execute, args=({},))
    thread.start()
    wait_for(lambda: pid.exists() and pid.read_text(), "the command has started")
    operator.on_kill()
    thread.join(20)
    assert not thread.is_alive()
    wait_for(lambda: not is_alive(int(pid.read_text())), "its child has ended")


def test_command_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "from skyray.operators import BashOperator\n"
        f"BashOperator(task_id='t', bash_command='sleep 300 & echo $$ $! > {pids}; wait').execute({{}})\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the command has started")
    worker.kill()
    worker.wait()
    wait_for(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), "its processes have ended")


def test_what_a_command_leaves_in_the_background_may_live_on(tmp_path: Path) -> None:
    pid = int(run("sleep 300 > /dev/null 2>&1 & echo $!"))
    try:
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_command_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        ProcessGroup(["/nowhere/bash"], cwd="/", env={})
    run("true")
    assert len(os.listdir("/proc/self/fd")) == before


def test_command_ends_with_an_interrupted_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []

    def interrupted(_: str, line: str) -> None:
        pids.append(int(line))
        raise AirflowTaskTimeout("too long")

    operator = BashOperator(task_id="t", bash_command="echo $$; exec sleep 300")
    monkeypatch.setattr(type(operator.log), "info", lambda _self, *args: interrupted(*args))
    with pytest.raises(AirflowTaskTimeout):
        operator.execute({})
    wait_for(lambda: not is_alive(pids[0]), "the command has ended")


def test_on_kill_before_and_after_a_run_does_nothing() -> None:
    operator = BashOperator(task_id="t", bash_command="true")
    operator.on_kill()
    operator.execute({})
    operator.on_kill()
