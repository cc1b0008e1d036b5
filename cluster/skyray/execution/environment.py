"""The process's environment while a task runs: who it is (``SKYRAY_CTX_*``, ``AIRFLOW_CTX_*``), no GPUs that it did not
ask for, none of our secrets; and as it was afterwards, whatever the task changed. Called by attempt.py.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import fields
from types import TracebackType

from skyray.core.messages import AttemptSpec
from skyray.settings import Settings

_SECRETS = tuple(f"SKYRAY_{each.name.upper()}" for each in fields(Settings) if each.metadata.get("secret"))


class TaskEnvironment:
    """While entered, ``os.environ`` describes the attempt. Restores it and the working directory: workers are reused.

    Enter it once the DAG is loaded, for what a module sets when it is imported has to stay.
    """

    __slots__ = ("_before", "_folder", "_spec")

    def __init__(self, spec: AttemptSpec) -> None:
        self._spec = spec

    def __enter__(self) -> TaskEnvironment:
        self._before = _snapshot()
        self._folder = os.getcwd()
        for name in _SECRETS:
            os.environ.pop(name, None)
        self._describe()
        if not self._spec.resources.num_gpus and "CUDA_VISIBLE_DEVICES" not in os.environ:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves it unset, which shows every GPU of the node
        return self

    def _describe(self) -> None:
        spec, run = self._spec, self._spec.run
        date = "" if run.logical_date is None else run.logical_date.isoformat()
        for prefix in ("SKYRAY_CTX_", "AIRFLOW_CTX_"):
            os.environ[prefix + "DAG_ID"] = run.dag_id
            os.environ[prefix + "TASK_ID"] = spec.task_id
            os.environ[prefix + "DAG_RUN_ID"] = run.run_id
            os.environ[prefix + "TRY_NUMBER"] = str(spec.try_number)
            if date:
                os.environ[prefix + "LOGICAL_DATE"] = date

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        before, after = self._before, _snapshot()
        for name in after.keys() - before.keys():
            del os.environ[os.fsdecode(name)]
        for name, value in before.items():
            if after.get(name) != value:
                os.environ[os.fsdecode(name)] = os.fsdecode(value)
        with contextlib.suppress(OSError):
            os.chdir(self._folder)


def _snapshot() -> dict[bytes, bytes]:
    """The environment. Past ``os.environ.copy()``, which decodes every name and value and takes 20 µs."""
    return dict(os.environ._data)  # type: ignore[attr-defined]
