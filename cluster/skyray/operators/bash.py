"""A task that runs a bash command in a process group of its own, which ends with the task."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, ClassVar

from skyray.exceptions import AirflowException, AirflowSkipException
from skyray.operators.process_group import ProcessGroup
from skyray.sdk.context import Context
from skyray.sdk.operator import BaseOperator

__all__ = ["BashOperator"]

_TERMINATION_SECONDS = 3.0  # between SIGTERM and SIGKILL


class BashOperator(BaseOperator):
    """Runs ``bash_command``. Its output goes to the log line by line; the last line is pushed as an XCom.

    Exit code 0 is success; ``skip_on_exit_code`` (99, or several, or None) skips the task; any other fails it. ``env``
    replaces the worker's environment, or is added to it with ``append_env=True``. Without ``cwd`` the command runs in a
    temporary folder.

    >>> BashOperator(task_id="greet", bash_command="echo {{ params.who }}").task_type
    'BashOperator'
    """

    template_fields: Sequence[str] = ("bash_command", "env", "cwd")
    template_fields_renderers: ClassVar[dict[str, str]] = {"bash_command": "bash", "env": "json"}
    template_ext: Sequence[str] = (".sh", ".bash")
    ui_color = "#f0ede4"

    def __init__(
        self,
        *,
        bash_command: Any,
        env: dict[str, str] | None = None,
        append_env: bool = False,
        output_encoding: str = "utf-8",
        skip_on_exit_code: int | Container[int] | None = 99,
        cwd: str | None = None,
        output_processor: Callable[[str], Any] = lambda result: result,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bash_command = bash_command
        self.env = env
        self.append_env = append_env
        self.output_encoding = output_encoding
        self.skip_on_exit_code: Container[int] = (
            skip_on_exit_code
            if isinstance(skip_on_exit_code, Container)
            else ()
            if skip_on_exit_code is None
            else (skip_on_exit_code,)
        )
        self.cwd = cwd
        self.output_processor = output_processor
        self._group: ProcessGroup | None = None

    def execute(self, context: Context) -> Any:
        if self.cwd is not None:
            if not os.path.exists(self.cwd):
                raise AirflowException(f"the cwd {self.cwd!r} does not exist")
            if not os.path.isdir(self.cwd):
                raise AirflowException(f"the cwd {self.cwd!r} is not a folder")
        exit_code, last_line = self._run(self.get_env(context))
        if exit_code in self.skip_on_exit_code:
            raise AirflowSkipException(f"the command returned exit code {exit_code}: skipping")
        if exit_code < 0:
            raise AirflowException(f"the command was ended by signal {signal.Signals(-exit_code).name}")
        if exit_code:
            raise AirflowException(f"Bash command failed: the command returned the exit code {exit_code}")
        return self.output_processor(last_line)

    def get_env(self, context: Context) -> dict[str, str]:
        """The command's environment: the worker's or ``env``, and ``AIRFLOW_CTX_*`` saying which task this is."""
        own = {str(name): str(value) for name, value in (self.env or {}).items()}
        inherited = dict(os.environ) if self.env is None or self.append_env else {}
        return {**inherited, **own, **_context_variables(context)}

    def _run(self, env: Mapping[str, str]) -> tuple[int, str]:
        last_line = ""
        with contextlib.ExitStack() as stack:
            folder = self.cwd or stack.enter_context(tempfile.TemporaryDirectory(prefix="skyray-"))
            bash = shutil.which("bash") or "bash"
            group = self._group = ProcessGroup([bash, "-c", self.bash_command], cwd=folder, env=env)
            try:
                for raw in group.output:
                    last_line = raw.decode(self.output_encoding, errors="backslashreplace").rstrip()
                    self.log.info("%s", last_line)
            except BaseException:  # this thread was interrupted, by a timeout or a cancellation
                group.end(_TERMINATION_SECONDS)
                raise
            finally:
                exit_code = group.wait()
                self._group = None
            return exit_code, last_line

    def on_kill(self) -> None:
        """End the command and everything that it started: SIGTERM, and after a moment SIGKILL."""
        group = self._group
        if group is not None:
            group.end(_TERMINATION_SECONDS)


def _context_variables(context: Context) -> dict[str, str]:
    run = context.get("dag_run")
    ti = context.get("ti")
    logical_date = context.get("logical_date")
    found = {
        "AIRFLOW_CTX_DAG_OWNER": getattr(context.get("task"), "owner", None),
        "AIRFLOW_CTX_DAG_ID": getattr(context.get("dag"), "dag_id", None),
        "AIRFLOW_CTX_TASK_ID": getattr(context.get("task"), "task_id", None),
        "AIRFLOW_CTX_LOGICAL_DATE": logical_date.isoformat() if logical_date is not None else None,
        "AIRFLOW_CTX_TRY_NUMBER": getattr(ti, "try_number", None),
        "AIRFLOW_CTX_DAG_RUN_ID": context.get("run_id") or getattr(run, "run_id", None),
    }
    return {name: str(value) for name, value in found.items() if value is not None}
