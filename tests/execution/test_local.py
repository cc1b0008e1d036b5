"""``skyray dags test``: the core and the author's code in one process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from skyray.cli.dags_test import run_dag_test
from skyray.core.states import RunState
from skyray.errors import InvalidInputError, NotFoundError
from skyray.execution.values import decode

HEADER = """
from datetime import timedelta
from skyray import Param
from skyray.sdk.dag import DAG, dag
from skyray.sdk.task import task
from skyray.exceptions import AirflowFailException, AirflowSkipException
"""


@pytest.fixture
def dag_file(tmp_path: Path) -> Any:
    def write(source: str) -> Path:
        file = tmp_path / "flow.py"
        file.write_text(HEADER + textwrap.dedent(source))
        return file

    return write


def _states(result: Any) -> dict[str, str]:
    return {ti.task_id: ti.state.value for ti in result.task_instances}


def _test(file: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SKYRAY_HOME": str(file.parent / "home")}
    # A test that was a Ray driver in this process leaves Ray's debugger hook behind (ray._private.worker.connect).
    environment.pop("PYTHONBREAKPOINT", None)
    options.setdefault("env", environment)
    return subprocess.run(
        [sys.executable, "-m", "skyray", "dags", "test", str(file), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_conf_that_breaks_a_schema_makes_no_run(dag_file: Any) -> None:
    file = dag_file("with DAG('d', params={'n': Param(type='integer')}):\n    @task\n    def t(): pass\n    t()\n")
    for conf, words in (({}, "'d': invalid value of param n"), ({"n": "x"}, "is not of type 'integer'")):
        with pytest.raises(InvalidInputError, match=words):
            run_dag_test(file, conf=conf)
    assert run_dag_test(file, conf={"n": 1}).run.state is RunState.SUCCESS


def test_values_flow_retries_happen_and_branches_skip(dag_file: Any) -> None:
    file = dag_file(
        """
        tries = []
        @dag("d", schedule=None)
        def d():
            @task
            def extract(): return {"rows": (1, 2)}
            @task(retries=1, retry_delay=timedelta(milliseconds=50))
            def flaky(data, ti=None):
                tries.append(ti.try_number)
                if len(tries) == 1:
                    raise ValueError("once")
                return [data, tries]
            @task.branch
            def choose(data): return ["left"]
            @task
            def left(): return "left"
            @task
            def right(): return "right"
            @task(trigger_rule="none_failed_min_one_success")
            def join(ti=None): return ti.xcom_pull(["left", "right"])
            chosen = choose(flaky(extract()))
            chosen >> [left(), right()] >> join()
        d()
        """
    )
    lines: list[str] = []
    result = run_dag_test(file, echo=lines.append)
    assert result.run.state is RunState.SUCCESS
    assert _states(result) == {
        **dict.fromkeys(("extract", "flaky", "choose", "left", "join"), "success"),
        "right": "skipped",
    }
    assert decode(result.xcoms["flaky", "return_value"]) == [{"rows": (1, 2)}, [1, 2]]
    assert decode(result.xcoms["join", "return_value"]) == ["left", None]
    text = "\n".join(lines)
    assert "up_for_retry" in text
    assert "ValueError: once (flow.py:" in text
    assert "waiting for the next try" in text


def test_failure_reaches_dependents_and_the_run(dag_file: Any) -> None:
    file = dag_file(
        """
        with DAG("d", schedule=None):
            @task(retries=5)
            def fails(): raise AirflowFailException("no")
            @task
            def after(x): pass
            @task
            def skips(): raise AirflowSkipException("later")
            after(fails()); skips()
        """
    )
    result = run_dag_test(file, echo=lambda line: None)
    assert result.run.state is RunState.FAILED
    assert _states(result) == {"fails": "failed", "after": "upstream_failed", "skips": "skipped"}


@pytest.mark.parametrize(("schedule", "expected"), [("None", [False, {"x": 1}]), ("'@daily'", [True, {"x": 1}])])
def test_run_has_a_logical_date_where_scheduled_runs_have_one(dag_file: Any, schedule: str, expected: Any) -> None:
    file = dag_file(
        f"""
        with DAG("d", schedule={schedule}):
            @task
            def look(dag_run=None, params=None): return [dag_run.logical_date is not None, dag_run.conf]
            look()
        """
    )
    result = run_dag_test(file, conf={"x": 1}, echo=lambda line: None)
    assert decode(result.xcoms["look", "return_value"]) == expected


def test_which_dag_must_be_clear(dag_file: Any) -> None:
    file = dag_file("one = DAG('one', schedule=None)\ntwo = DAG('two', schedule=None)")
    with pytest.raises(InvalidInputError, match="defines 2 DAGs"):
        run_dag_test(file)
    with pytest.raises(NotFoundError, match="'three'"):
        run_dag_test(file, "three")
    assert run_dag_test(file, "two", echo=lambda line: None).run.dag_id == "two"


def test_exit_codes_and_standard_streams(dag_file: Any) -> None:
    file = dag_file(
        """
        with DAG("d", schedule=None):
            @task
            def t(params=None):
                print("printed")
                assert params["ok"]
            t()
        """
    )
    good = _test(file, "--conf", '{"ok": true}')
    lines = [line.partition(" (")[0] for line in good.stdout.splitlines()]
    assert (good.returncode, lines[:3]) == (0, ["t: running", "printed", "t: success"])
    assert "\x1b" not in good.stdout
    bad = _test(file, "--conf", '{"ok": false}')
    assert bad.returncode == 1
    assert "assert params" in bad.stderr
    assert "skyray/" not in bad.stderr
    assert _test(file, "--conf", "nonsense").returncode == 2
    assert _test(file, "nope").returncode == 4
    broken = _test(dag_file("1 / 0"))
    assert broken.returncode == 1
    assert "ZeroDivisionError" in broken.stderr
    assert "skyray/" not in broken.stderr


def test_json_stands_alone_on_standard_output(dag_file: Any) -> None:
    file = dag_file("@task\ndef t(): print('noise')\nwith DAG('d', schedule=None): t()")
    shown = json.loads(_test(file, "-o", "json").stdout)
    assert (shown["dag_id"], shown["state"]) == ("d", "success")
    assert [(ti["task_id"], ti["map_index"], ti["state"], ti["try_number"]) for ti in shown["tasks"]] == [
        ("t", -1, "success", 1)
    ]


def test_breakpoint_opens_the_debugger(dag_file: Any) -> None:
    file = dag_file("@task\ndef t(): x = 41; breakpoint(); return x\nwith DAG('d', schedule=None): t()")
    done = _test(file, input="p x + 1\nc\n")
    assert done.returncode == 0, done.stderr
    assert "42" in done.stdout


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colours_only_where_wanted(dag_file: Any, no_color: str, is_coloured: bool) -> None:
    file = dag_file("@task\ndef t(): pass\nwith DAG('d', schedule=None): t()")
    ours, theirs = pty.openpty()
    env = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm", "SKYRAY_HOME": str(file.parent)}
    subprocess.run(
        [sys.executable, "-m", "skyray", "dags", "test", str(file)],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=env,
        check=True,
        timeout=60,
    )
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"success" in shown
    assert (b"\x1b[3" in shown) is is_coloured


def test_interrupt_stops_the_run_and_not_only_the_task(dag_file: Any) -> None:
    file = dag_file(
        """
        with DAG("d", schedule=None):
            @task(retries=3)
            def t():
                print("ready", flush=True)
                __import__("time").sleep(60)
            t()
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "skyray", "dags", "test", str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any(line == "ready\n" for line in process.stdout)
    process.send_signal(2)
    assert process.wait(timeout=20) == 1
    process.stdout.close()
