"""``ti`` and ``dag_run`` of the context: what a running task may ask about itself, under Airflow's names.

What would need the database, and is not supported yet, is refused by name. Made by context.py.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from skyray.core.messages import AttemptSpec, RunContext
from skyray.core.states import RunState, RunType, TaskState
from skyray.errors import UnsupportedFeatureError
from skyray.execution.xcoms import RETURN_KEY, AttemptXComs

if TYPE_CHECKING:
    import pendulum

_NOT_SET: Any = object()


def moment(value: datetime | float | None) -> pendulum.DateTime | None:
    """A moment as authors get it: pendulum, UTC."""
    if value is None:
        return None
    import pendulum

    if isinstance(value, (int, float)):
        value = datetime.fromtimestamp(value, timezone.utc)
    return pendulum.instance(value.astimezone(timezone.utc))


class Word(str):
    """A state or type as authors use it: text that compares equal to Airflow's enums, and has their ``value``."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The text."""
        return str(self)


class RuntimeDagRun:
    """The run of the attempt, read-only."""

    clear_number = 0
    state = Word(RunState.RUNNING.value)
    end_date = None

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self.dag_id = run.dag_id
        self.run_id = run.run_id
        self.run_type = Word(run.run_type.value)
        self.conf: Any = run.conf
        self.triggered_by = run.triggered_by
        self.dag_version = run.dag_version

    @property
    def external_trigger(self) -> bool:
        """Whether somebody asked for the run, rather than its timetable."""
        return self._run.run_type is RunType.MANUAL

    @property
    def logical_date(self) -> pendulum.DateTime | None:
        """The moment that the run is for, if it has one."""
        return moment(self._run.logical_date)

    @property
    def data_interval_start(self) -> pendulum.DateTime | None:
        """Begin of the run's data interval."""
        return moment(self._run.data_interval_start)

    @property
    def data_interval_end(self) -> pendulum.DateTime | None:
        """End of the run's data interval."""
        return moment(self._run.data_interval_end)

    @property
    def run_after(self) -> pendulum.DateTime | None:
        """The earliest moment at which the run could start."""
        return moment(self._run.run_after)

    @property
    def queued_at(self) -> pendulum.DateTime | None:
        """When the run was made."""
        return moment(self._run.queued_at)

    @property
    def start_date(self) -> pendulum.DateTime | None:
        """When the run started."""
        return moment(self._run.start_date)

    def __getattr__(self, name: str) -> NoReturn:
        _refuse_attribute("dag_run", name, _RUN_UNSUPPORTED)

    def __repr__(self) -> str:
        return f"<DagRun {self.dag_id} {self.run_id} [{self.run_type}]>"


class RuntimeTaskInstance:
    """The attempt as the author's code sees it (``ti``, ``task_instance``)."""

    state = Word(TaskState.RUNNING.value)
    is_mapped = False

    def __init__(
        self,
        spec: AttemptSpec,
        task: Any,
        dag_run: RuntimeDagRun,
        xcoms: AttemptXComs,
        *,
        start: float,
        folder: Path,
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._xcoms = xcoms
        self._start = start
        self.task = task
        self.dag_run = dag_run
        self.id = spec.ti_id
        self.dag_id = spec.run.dag_id
        self.run_id = spec.run.run_id
        self.task_id = spec.task_id
        self.map_index = spec.map_index
        self.try_number = spec.try_number
        self.max_tries = spec.max_tries
        self.pool = spec.pool
        self.pool_slots = spec.pool_slots
        self.priority_weight = spec.priority_weight
        self.pid = os.getpid()

    @property
    def start_date(self) -> pendulum.DateTime | None:
        """When this attempt began."""
        return moment(self._start)

    @property
    def queued_dttm(self) -> pendulum.DateTime | None:
        """When this attempt was queued."""
        return moment(self._spec.queued_at)

    @property
    def logical_date(self) -> pendulum.DateTime | None:
        """The run's logical date, if it has one."""
        return self.dag_run.logical_date

    @property
    def hostname(self) -> str:
        """The machine that the attempt runs on."""
        return socket.gethostname()

    @property
    def log(self) -> logging.Logger:
        """A logger whose output is in the attempt's log."""
        return logging.getLogger("skyray.task")

    def get_dagrun(self) -> RuntimeDagRun:
        """The run of the attempt."""
        return self.dag_run

    def get_template_context(self) -> Any:
        """The context of the attempt."""
        from skyray.sdk.context import get_current_context

        return get_current_context()

    def render_text(self, text: str) -> Any:
        """``text`` rendered as a template field of the task would be: for operators that make text while they run."""
        from skyray.execution.templates import render_text

        return render_text(text, self.task, self.get_template_context(), folder=self._folder)

    def xcom_push(self, key: str, value: Any) -> None:
        """Store ``value`` for other tasks under ``key``. It is there once the attempt has ended."""
        self._xcoms.push(key, value)

    def xcom_pull(
        self,
        task_ids: str | Iterable[str] | None = None,
        dag_id: str | None = None,
        key: str = RETURN_KEY,
        include_prior_dates: bool = False,
        *,
        map_indexes: int | Iterable[int] | None = _NOT_SET,
        default: Any = None,
        run_id: str | None = None,
    ) -> Any:
        """What other tasks stored under ``key``.

        One task (None: this one) gives its value, or a list of the values of its map indexes if there are several;
        several tasks give a list in their order. ``map_indexes`` picks instances of a mapped task: one index or None
        (not mapped) gives a value, several give a list. Where nothing is stored the value is ``default``: always,
        other than in Airflow, which forgets it unless ``map_indexes`` is given.
        """
        if include_prior_dates:
            raise UnsupportedFeatureError("xcom_pull(include_prior_dates=True) is not supported yet")
        is_one_task = task_ids is None or isinstance(task_ids, str)
        names = [self.task_id] if task_ids is None else [task_ids] if isinstance(task_ids, str) else list(task_ids)
        if map_indexes is _NOT_SET:
            found: list[Any] = []
            for name in names:
                found += self._xcoms.read(name, key, None, dag_id=dag_id, run_id=run_id) or [default]
            return found[0] if is_one_task and len(found) == 1 else found
        is_one_index = map_indexes is None or isinstance(map_indexes, int)
        indexes = [-1] if map_indexes is None else [map_indexes] if isinstance(map_indexes, int) else list(map_indexes)
        found = [
            (self._xcoms.read(name, key, index, dag_id=dag_id, run_id=run_id) or [default])[0]
            for name in names
            for index in indexes
        ]
        return found[0] if is_one_task and is_one_index else found

    def __getattr__(self, name: str) -> NoReturn:
        _refuse_attribute("ti", name, _TI_UNSUPPORTED)

    def __repr__(self) -> str:
        return f"<TaskInstance {self.dag_id}.{self.task_id} {self.run_id} try {self.try_number}>"


_TI_UNSUPPORTED = frozenset(
    {
        *("get_previous_dagrun", "get_previous_ti", "get_ti_count", "get_task_states", "get_dr_count"),
        *("get_dagrun_state", "get_first_reschedule_date", "log_url", "mark_success_url", "axcom_pull", "axcom_push"),
        *("rendered_map_index", "bundle_instance", "defer_task"),
    }
)
_RUN_UNSUPPORTED = frozenset({"consumed_asset_events", "partition_key", "partition_date", "note"})


def _refuse_attribute(owner: str, name: str, unsupported: frozenset[str]) -> NoReturn:
    if name in unsupported:
        raise UnsupportedFeatureError(f"{owner}.{name} is not supported yet")
    raise AttributeError(f"{owner} has no attribute {name!r}")
