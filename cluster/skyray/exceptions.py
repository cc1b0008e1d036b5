"""What a task raises to say how it ended, and what the SDK raises at parse time: as ``airflow.sdk.exceptions``.

    Exception
    ├── AirflowException                    anything that goes wrong in a task: retried if the author allows
    │   ├── AirflowSkipException              end as skipped
    │   ├── AirflowFailException              end as failed, without another try
    │   ├── AirflowSensorTimeout              a sensor waited too long: failed, without another try
    │   ├── AirflowRescheduleException        come back later
    │   ├── DownstreamTasksSkipped            succeeded, and the tasks named are to be skipped
    │   ├── DagRunTriggerException            succeeded, and another DAG is to be run
    │   ├── TaskDeferralError … TaskDeferralTimeout
    │   ├── XComNotFound, TaskNotFound, ParamValidationError, AirflowNotFoundException, …
    │   └── (also DagDefinitionError) DuplicateTaskIdFound, AirflowDagCycleException, AirflowTimetableInvalid
    └── SkyrayError … UnsupportedFeatureError   see skyray.errors
    BaseException
    ├── AirflowTaskTimeout, AirflowTaskTerminated, TaskDeferred, TaskAwaitingInput

Those under BaseException pass through an author's ``except Exception``, as they do in Airflow.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from skyray.errors import DagDefinitionError, SkyrayError, UnsupportedFeatureError

__all__ = [
    "AirflowConfigException",
    "AirflowDagCycleException",
    "AirflowException",
    "AirflowFailException",
    "AirflowInactiveAssetInInletOrOutletException",
    "AirflowNotFoundException",
    "AirflowOptionalProviderFeatureException",
    "AirflowRescheduleException",
    "AirflowRuntimeError",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTerminated",
    "AirflowTaskTimeout",
    "AirflowTimetableInvalid",
    "DagDefinitionError",
    "DagRunTriggerException",
    "DownstreamTasksSkipped",
    "DuplicateTaskIdFound",
    "ParamValidationError",
    "SkyrayError",
    "TaskAlreadyInTaskGroup",
    "TaskAwaitingInput",
    "TaskDeferralError",
    "TaskDeferralTimeout",
    "TaskDeferred",
    "TaskNotFound",
    "UnmappableXComLengthPushed",
    "UnmappableXComTypePushed",
    "UnsupportedFeatureError",
    "XComForMappingNotPushed",
    "XComNotFound",
]


class AirflowException(Exception):
    """Anything that goes wrong in a task. The try fails; another one follows if the author allows."""


class AirflowNotFoundException(AirflowException):
    """Something that the task asked for (a variable, a connection, a file) does not exist."""


class AirflowConfigException(AirflowException):
    """A configuration value is missing or wrong."""


class AirflowOptionalProviderFeatureException(AirflowException):
    """A feature needs a package that is not installed."""


class AirflowRuntimeError(AirflowException):
    """The control plane refused something that a running task asked of it."""


class AirflowSkipException(AirflowException):
    """Raise it in a task to end as skipped."""


class AirflowFailException(AirflowException):
    """Raise it in a task to end as failed without another try."""


class AirflowSensorTimeout(AirflowException):
    """A sensor waited longer than its ``timeout``. Not retried."""


class AirflowTaskTimeout(BaseException):
    """The task ran longer than its ``execution_timeout``. Retried if the author allows."""


class AirflowTaskTerminated(BaseException):
    """The task was cancelled from outside."""


class AirflowInactiveAssetInInletOrOutletException(AirflowException):
    """A task names an asset that is not active."""


class AirflowRescheduleException(AirflowException):
    """End this attempt and start another one at ``reschedule_date``, without taking a retry."""

    def __init__(self, reschedule_date: datetime) -> None:
        super().__init__(f"to be started again at {reschedule_date.isoformat()}")
        self.reschedule_date = reschedule_date


class TaskDeferred(BaseException):
    """Leave the worker until ``trigger`` fires; go on in ``method_name``."""

    def __init__(
        self,
        *,
        trigger: Any,
        method_name: str,
        kwargs: dict[str, Any] | None = None,
        timeout: timedelta | int | float | None = None,
    ) -> None:
        super().__init__(f"deferred until {trigger!r} fires")
        self.trigger = trigger
        self.method_name = method_name
        self.kwargs = kwargs
        self.timeout = timeout


class TaskAwaitingInput(BaseException):
    """Leave the worker until a person has answered."""


class TaskDeferralError(AirflowException):
    """The trigger of a deferred task failed."""


class TaskDeferralTimeout(AirflowException):
    """The trigger of a deferred task did not fire in time."""


class DownstreamTasksSkipped(AirflowException):
    """The task succeeded, and ``tasks`` are to be skipped.

    Raised by branching operators, understood by the attempt that runs them. ``tasks`` holds task ids, or pairs of task
    id and map index.
    """

    def __init__(self, *, tasks: Collection[str | tuple[str, int]]) -> None:
        super().__init__(f"tasks to skip: {', '.join(str(task) for task in tasks)}")
        self.tasks = list(tasks)


class DagRunTriggerException(AirflowException):
    """The task succeeded, and ``trigger_dag_id`` is to be run."""

    def __init__(self, *, trigger_dag_id: str, dag_run_id: str, conf: dict[str, Any] | None = None, **kw: Any) -> None:
        super().__init__(f"DAG to run: {trigger_dag_id}")
        self.trigger_dag_id = trigger_dag_id
        self.dag_run_id = dag_run_id
        self.conf = conf
        self.options = kw


class XComNotFound(AirflowException):
    """A task instance pushed no XCom under the key that was asked for."""

    def __init__(self, dag_id: str, task_id: str, key: str) -> None:
        super().__init__(dag_id, task_id, key)
        self.dag_id = dag_id
        self.task_id = task_id
        self.key = key

    def __str__(self) -> str:
        return f"no XCom with key {self.key!r} was pushed by task {self.task_id!r} of DAG {self.dag_id!r}"


class XComForMappingNotPushed(TypeError):
    """A task that another one is to be mapped over pushed nothing."""


class UnmappableXComTypePushed(TypeError):
    """A task that another one is to be mapped over pushed a value that is no list or dictionary."""


class UnmappableXComLengthPushed(ValueError):
    """A task that another one is to be mapped over pushed more elements than allowed."""


class ParamValidationError(AirflowException):
    """A param's value does not fit its schema."""


class TaskNotFound(AirflowException):
    """A task id is not in the DAG."""


class TaskAlreadyInTaskGroup(AirflowException):
    """A task was added to a second TaskGroup."""

    def __init__(self, task_id: str, existing_group_id: str | None, new_group_id: str | None) -> None:
        super().__init__(task_id, existing_group_id, new_group_id)
        self.task_id = task_id
        self.existing_group_id = existing_group_id
        self.new_group_id = new_group_id

    def __str__(self) -> str:
        existing = f"TaskGroup {self.existing_group_id!r}" if self.existing_group_id else "the DAG's root group"
        return f"cannot add {self.task_id!r} to TaskGroup {self.new_group_id!r}: it is already in {existing}"


class DuplicateTaskIdFound(AirflowException, DagDefinitionError):
    """Two tasks, or a task and a TaskGroup, of one DAG have the same id."""


class AirflowDagCycleException(AirflowException, DagDefinitionError):
    """The tasks of a DAG depend on each other in a circle."""


class AirflowTimetableInvalid(AirflowException, DagDefinitionError, ValueError):
    """A schedule cannot be: a wrong cron expression, an interval that is not positive."""
