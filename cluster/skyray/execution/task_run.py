"""Running one task once: a copy of its operator, a context, rendered fields, the author's code, what it returned.

No capture, no signals but the time limit, no Ray: attempt.py adds those in a worker, and local.py runs the same in the
author's own process.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn

from skyray.core.messages import AttemptSpec, OutcomeKind
from skyray.errors import NotFoundError
from skyray.exceptions import AirflowTaskTimeout, XComNotFound
from skyray.execution.context import AttemptContext
from skyray.execution.endings import SUCCESS, Ending, ending_of, print_ending, print_error
from skyray.execution.environment import TaskEnvironment
from skyray.execution.interrupts import AttemptTerminated, ExitCalls, TimeLimit
from skyray.execution.services import WorkerServices
from skyray.execution.task_instance import RuntimeDagRun, RuntimeTaskInstance
from skyray.execution.templates import render_fields
from skyray.execution.xcoms import RETURN_KEY, AttemptXComs
from skyray.sdk.context import CURRENT_CONTEXT
from skyray.sdk.operator import BaseOperator


class TaskRun:
    """One attempt at one task. ``run`` once; ``kill`` from anywhere, at any time."""

    def __init__(self, spec: AttemptSpec, services: WorkerServices, *, xcom_max_bytes: int, start: float) -> None:
        self._spec = spec
        self._start = start
        self._pid = os.getpid()
        self._operator: Any = None
        self._kill_lock = threading.Lock()
        self._was_killed = False
        self.was_interrupted = False  # by Ctrl-C, or Ray's polite cancel
        self.xcoms = AttemptXComs(spec, services, xcom_max_bytes)

    def run(self, dag: Any, folder: Path) -> None:
        """Run the task of ``dag``, whose file is in ``folder``. Raises whatever the author's code raises."""
        contextvars.copy_context().run(self._execute, dag, folder)

    def ending(self, work: Callable[[], None]) -> Ending:
        """What becomes of ``work()``, which loads and runs the task; said in the log where it is no success.

        Only ``AttemptTerminated`` is passed on. A process that the author's code forked ends here.
        """
        try:
            with ExitCalls():
                work()
            ending = SUCCESS
        except AttemptTerminated:
            self.kill()
            raise
        except BaseException as error:  # noqa: BLE001 - also what passes through `except Exception` ends the attempt
            if os.getpid() != self._pid and isinstance(error, SystemExit):
                _end_forked_child(error.code)
            self.was_interrupted = isinstance(error, KeyboardInterrupt)
            if self.was_interrupted or isinstance(error, AirflowTaskTimeout):
                self.kill()
            ending = ending_of(error)
            if ending.kind in (OutcomeKind.FAILED, OutcomeKind.FAILED_FOR_GOOD):
                print_error(error)
            print_ending(ending, try_number=self._spec.try_number, max_tries=self._spec.max_tries)
        if os.getpid() != self._pid:
            _end_forked_child(0 if ending.kind is OutcomeKind.SUCCESS else 1)
        return ending

    def kill(self) -> None:
        """Let the operator end what it started (child processes, queries), once."""
        with self._kill_lock:
            if self._was_killed or self._operator is None:
                return
            self._was_killed = True
        try:
            self._operator.on_kill()
        except Exception as error:  # noqa: BLE001 - the author's; the attempt ends anyway
            print_error(error)

    def _execute(self, dag: Any, folder: Path) -> None:
        spec = self._spec
        task = dag.task_dict.get(spec.task_id)
        if task is None:
            raise NotFoundError(f"DAG {spec.run.dag_id!r} of this version has no task {spec.task_id!r}")
        operator = _private_copy(task)
        dag_run = RuntimeDagRun(spec.run)
        ti = RuntimeTaskInstance(spec, operator, dag_run, self.xcoms, start=self._start, folder=folder)
        context = AttemptContext(spec, dag, ti)
        CURRENT_CONTEXT.set(context)  # type: ignore[arg-type]
        if dag.params or operator.params:
            context["params"]  # validated before anything runs, also if nobody reads them
        with TaskEnvironment(spec):
            render_fields(operator, context, fetch=self._fetch, folder=folder)
            self._operator = operator
            operator.pre_execute(context)
            with TimeLimit(spec.execution_timeout_seconds):
                result = operator.execute(context)
                if isinstance(result, Coroutine):
                    result = _run_coroutine(result)
            _post_execute(operator, context, result)
        self._push_result(operator, result)

    def _fetch(self, task_id: str, key: str) -> Any:
        """The value of an XComArg: None where the task returned nothing, an error where a key of its own is missing."""
        found = self.xcoms.read(task_id, key, None)
        if not found and key != RETURN_KEY:
            raise XComNotFound(self._spec.run.dag_id, task_id, key)
        return found[0] if found else None

    def _push_result(self, operator: Any, result: Any) -> None:
        if result is None or not operator.do_xcom_push:
            return
        if getattr(operator, "multiple_outputs", False):
            if not isinstance(result, Mapping):
                raise TypeError(f"multiple_outputs needs a dictionary; the task returned {type(result).__name__}")
            for key, value in result.items():
                if not isinstance(key, str):
                    raise TypeError(f"multiple_outputs needs keys that are strings; the task returned key {key!r}")
                self.xcoms.push(key, value)
        self.xcoms.push(RETURN_KEY, result)


def _private_copy(task: Any) -> Any:
    """An operator that this attempt may change: the DAG's own serves the attempts that come after in this process."""
    operator = copy.copy(task)
    attributes = vars(operator)
    for name, value in attributes.items():
        if type(value) in (list, dict, set):
            attributes[name] = value.copy()
    return operator


def _run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    return asyncio.run(coroutine)


def _post_execute(operator: Any, context: Any, result: Any) -> None:
    """Authors override ``post_execute(context, result)`` as well as ``post_execute(context)``; Airflow's own base class
    has both forms in its history."""
    method = operator.post_execute
    if getattr(method, "__func__", None) is BaseOperator.post_execute:
        return
    import inspect

    try:
        inspect.signature(method).bind(context, result)
    except TypeError:
        method(context)
    else:
        method(context, result)


def _end_forked_child(code: Any) -> NoReturn:
    """``os.fork`` in a task makes a second worker of this process; it must not hand in a second outcome."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
