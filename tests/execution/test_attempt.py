"""From an attempt's spec to its outcome: results, exceptions, XComs, environment, bundle."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.execution.conftest import Worker, xcoms_of

from skyray.core.messages import OutcomeKind

HEADER = """
import os, sys
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator
from skyray.exceptions import *

class Do(BaseOperator):
    def __init__(self, *, work, **kwargs):
        super().__init__(**kwargs)
        self.work = work
    def execute(self, context):
        return self.work(context)
    def on_kill(self):
        print("on_kill")

dag = DAG("d", schedule=None)
def do(task_id, work, **kwargs):
    return Do(task_id=task_id, work=work, dag=dag, **kwargs)
"""


def test_value_returned_is_pushed(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(HEADER + "do('t', lambda c: {'a': (1, 2)})\ndo('none', lambda c: None)")
    result = worker.attempt("t")
    assert result.outcome.kind is OutcomeKind.SUCCESS
    assert xcoms_of(result) == {"return_value": {"a": (1, 2)}}
    assert result.log == b""
    assert result.outcome.node_id == "node-1"
    assert result.outcome.start_date <= result.outcome.end_date
    assert xcoms_of(worker.attempt("none")) == {}
    assert worker.services.fetches == [worker.run.bundle_digest]


def test_multiple_outputs_and_push(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
do('many', lambda c: {'a': 1, 'b': 2}, multiple_outputs=True)
do('quiet', lambda c: 1, do_xcom_push=False)
do('own', lambda c: (c['ti'].xcom_push('k', [1]), c['ti'].xcom_pull(key='k'))[1])
do('wrong', lambda c: 1, multiple_outputs=True)
"""
    )
    assert xcoms_of(worker.attempt("many")) == {"a": 1, "b": 2, "return_value": {"a": 1, "b": 2}}
    assert xcoms_of(worker.attempt("quiet")) == {}
    assert xcoms_of(worker.attempt("own")) == {"k": [1], "return_value": [1]}
    wrong = worker.attempt("wrong").outcome
    assert wrong.kind is OutcomeKind.FAILED
    assert "multiple_outputs needs a dictionary" in (wrong.error or "")


@pytest.mark.parametrize(
    ("raised", "kind", "error"),
    [
        ("AirflowSkipException('not today')", OutcomeKind.SKIPPED, "not today"),
        ("AirflowFailException('never')", OutcomeKind.FAILED_FOR_GOOD, "AirflowFailException: never (main.py:"),
        ("AirflowSensorTimeout('late')", OutcomeKind.FAILED_FOR_GOOD, "AirflowSensorTimeout: late"),
        ("ValueError('boom\\nmore')", OutcomeKind.FAILED, "ValueError: boom (main.py:"),
        ("SystemExit(0)", OutcomeKind.FAILED, "the task called sys.exit(0)"),
        ("SystemExit(3)", OutcomeKind.FAILED, "the task called sys.exit(3)"),
        ("KeyboardInterrupt()", OutcomeKind.FAILED, "the task was interrupted (KeyboardInterrupt)"),
        ("MemoryError()", OutcomeKind.FAILED, "MemoryError"),
        ("AirflowTaskTimeout('x')", OutcomeKind.FAILED, "AirflowTaskTimeout"),
        ("TaskDeferred(trigger=1, method_name='m')", OutcomeKind.FAILED_FOR_GOOD, "deferring a task is not supported"),
    ],
)
def test_exception_becomes_outcome(
    make_worker: Callable[..., Worker], raised: str, kind: OutcomeKind, error: str
) -> None:
    worker = make_worker(HEADER + f"def work(c):\n    c['ti'].xcom_push('k', 1)\n    raise {raised}\ndo('t', work)\n")
    result = worker.attempt("t", max_tries=2)
    assert result.outcome.kind is kind
    assert error in (result.outcome.error or "")
    assert xcoms_of(result) == {"k": 1}
    log = result.log.decode()
    if kind is OutcomeKind.SKIPPED:
        assert log == "Task skipped: not today\n"
    else:
        assert "Traceback" in log
        assert "in work" in log
        assert "skyray/execution" not in log
        assert f"Task failed (try 1{' of 3' if kind is OutcomeKind.FAILED else ', no further try'}):" in log


def test_tasks_to_skip_travel_with_success(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
def work(c):
    c['ti'].xcom_push('k', 1)
    raise DownstreamTasksSkipped(tasks=['a', ('b', -1)])
do('t', work)
"""
    )
    result = worker.attempt("t")
    assert (result.outcome.kind, result.outcome.skipped_task_ids) == (OutcomeKind.SUCCESS, ("a", "b"))
    assert xcoms_of(result) == {"k": 1}
    assert result.log == b""


def test_value_that_is_no_json_fails_with_advice(make_worker: Callable[..., Worker]) -> None:
    outcome = make_worker(HEADER + "do('t', lambda c: object())").attempt("t").outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "XCom 'return_value' holds a value of type object" in (outcome.error or "")


def test_coroutine_is_awaited(make_worker: Callable[..., Worker]) -> None:
    source = "import asyncio\nasync def work(c):\n    await asyncio.sleep(0)\n    return 5\ndo('t', work)"
    assert xcoms_of(make_worker(HEADER + source).attempt("t")) == {"return_value": 5}


def test_hooks_see_context_and_result(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
class Old(Do):
    def post_execute(self, context):
        print("old", context["run_id"])
class New(Do):
    def pre_execute(self, context):
        print("before")
    def post_execute(self, context, result=None):
        print("new", result)
Old(task_id='old', work=lambda c: 1, dag=dag)
New(task_id='new', work=lambda c: 2, dag=dag)
do('hook', lambda c: 3, post_execute=lambda context, result: print('hook', result))
"""
    )
    assert worker.attempt("old").log == b"old r1\n"
    assert worker.attempt("new").log == b"before\nnew 2\n"
    assert worker.attempt("hook").log == b"hook 3\n"


def test_task_cannot_change_the_dag_for_later_attempts(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
class Grow(BaseOperator):
    template_fields = ("items",)
    def __init__(self, *, items, **kwargs):
        super().__init__(**kwargs)
        self.items, self.seen = items, []
    def execute(self, context):
        self.items.append(1); self.seen.append(1)
        return [len(self.items), len(self.seen), self.items is not dag.task_dict['t'].items]
Grow(task_id='t', items=["{{ run_id }}"], dag=dag)
"""
    )
    assert xcoms_of(worker.attempt("t")) == xcoms_of(worker.attempt("t")) == {"return_value": [2, 1, True]}


def test_environment_describes_the_attempt_and_is_restored(
    make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYRAY_TOKEN", "secret")
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    worker = make_worker(
        HEADER
        + """
os.environ["AT_IMPORT"] = "1"
def work(c):
    seen = dict(os.environ)
    os.environ["LEAK"] = "1"; os.environ["KEPT"] = "after"; os.chdir("/")
    return {k: seen.get(k) for k in ("SKYRAY_CTX_DAG_ID", "AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_DAG_RUN_ID",
        "SKYRAY_CTX_TRY_NUMBER", "CUDA_VISIBLE_DEVICES", "SKYRAY_TOKEN", "LEAK", "AT_IMPORT")}
do('t', work)
"""
    )
    folder = os.getcwd()
    for _ in range(2):
        assert xcoms_of(worker.attempt("t"))["return_value"] == {
            "SKYRAY_CTX_DAG_ID": "d",
            "AIRFLOW_CTX_TASK_ID": "t",
            "AIRFLOW_CTX_DAG_RUN_ID": "r1",
            "SKYRAY_CTX_TRY_NUMBER": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "SKYRAY_TOKEN": None,
            "LEAK": None,
            "AT_IMPORT": "1",
        }
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        assert "SKYRAY_CTX_DAG_ID" not in os.environ
        assert (os.environ["KEPT"], os.getcwd()) == ("before", folder)
    monkeypatch.delenv("AT_IMPORT")


def test_gpus_that_ray_gave_stay_visible(make_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    worker = make_worker(HEADER + "do('t', lambda c: os.environ['CUDA_VISIBLE_DEVICES'])")
    assert xcoms_of(worker.attempt("t")) == {"return_value": "1"}


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        ("raise RuntimeError('at import')", {}, "RuntimeError: at import (main.py:1)"),
        (HEADER, {}, "has no task 't'"),
        (HEADER, {"dag_id": "other"}, "defines no DAG 'other'"),
        (HEADER, {"relative_path": "gone.py"}, "has no file gone.py"),
        (HEADER, {"bundle_digest": "0" * 64}, "KeyError"),
        (HEADER, {"bundle_digest": "../../etc"}, "is not a bundle digest"),
    ],
)
def test_what_cannot_be_loaded_fails_the_attempt(
    make_worker: Callable[..., Worker], source: str, changes: dict[str, str], words: str
) -> None:
    result = make_worker(source).attempt("t", **changes)
    assert result.outcome.kind is OutcomeKind.FAILED
    assert words in (result.outcome.error or "")
    assert words.partition(" (")[0].encode() in result.log


def test_modules_beside_the_dag_file_are_found_also_while_running(make_worker: Callable[..., Worker]) -> None:
    source = "def work(c):\n    import helper_mod\n    return helper_mod.X\ndo('t', work)"
    assert xcoms_of(make_worker(HEADER + source, helper_mod__py="X = 7").attempt("t")) == {"return_value": 7}


def test_forked_child_that_falls_out_of_the_task_hands_in_nothing(make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(
        HEADER
        + """
def work(c):
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
do('t', work)
"""
    )
    assert xcoms_of(worker.attempt("t")) == {"return_value": 5}
