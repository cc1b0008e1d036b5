"""The states of runs and task instances, and every legal move of a task instance, as one table.

Called by core/world.py (the only writer of a task instance's state) and by whoever shows states. Names and meaning are
Airflow 3.3's (``airflow.utils.state``); ``NONE`` is Airflow's null state.
"""

from __future__ import annotations

from enum import Enum


class RunState(str, Enum):
    """State of a DagRun."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """True for success and failed."""
        return self in (RunState.SUCCESS, RunState.FAILED)


class RunType(str, Enum):
    """What made a DagRun (``airflow.utils.types.DagRunType``). The value is the prefix of a generated run id."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    ASSET_TRIGGERED = "asset_triggered"
    OPERATOR_TRIGGERED = "operator_triggered"


class TaskState(str, Enum):
    """State of a task instance. Shown as null outside when ``NONE``."""

    NONE = "none"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    UP_FOR_RETRY = "up_for_retry"
    UP_FOR_RESCHEDULE = "up_for_reschedule"
    DEFERRED = "deferred"
    REMOVED = "removed"
    RESTARTING = "restarting"

    @property
    def is_terminal(self) -> bool:
        """True where the task instance will not move again unless a user acts."""
        return self in TERMINAL_STATES

    @property
    def is_active(self) -> bool:
        """True while an attempt is with an executor: it holds pool slots and counts against every limit."""
        return self in ACTIVE_STATES


TERMINAL_STATES = frozenset(
    {TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED, TaskState.REMOVED}
)
ACTIVE_STATES = frozenset({TaskState.QUEUED, TaskState.RUNNING, TaskState.RESTARTING})


class Move(str, Enum):
    """What can happen to a task instance; with the state it is in, decides the state it gets."""

    READY = "ready"  # dependencies met
    DISPATCH = "dispatch"  # handed to an executor
    START = "start"  # the worker said that it began
    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"  # the task skipped itself, or a trigger rule, a branch or a run's end skips it
    FAIL_UPSTREAM = "fail_upstream"
    RETRY = "retry"  # failed, and the author allows another try
    LOSE = "lose"  # the attempt was lost with infrastructure: back in line, no try taken
    REMOVE = "remove"  # no longer in the DAG version of the run


_S = TaskState
_WAITING = (_S.NONE, _S.SCHEDULED, _S.UP_FOR_RETRY, _S.UP_FOR_RESCHEDULE, _S.DEFERRED)
_WITH_EXECUTOR = (_S.QUEUED, _S.RUNNING)

#: (state, move) -> next state. A pair that is not here is illegal and raises IllegalMoveError.
TASK_MOVES: dict[tuple[TaskState, Move], TaskState] = {
    (_S.NONE, Move.READY): _S.SCHEDULED,
    (_S.UP_FOR_RETRY, Move.READY): _S.SCHEDULED,
    (_S.SCHEDULED, Move.DISPATCH): _S.QUEUED,
    (_S.QUEUED, Move.START): _S.RUNNING,
    # An EmptyOperator succeeds without an executor (Airflow: None -> success, still a try).
    (_S.SCHEDULED, Move.SUCCEED): _S.SUCCESS,
    **{(s, Move.SUCCEED): _S.SUCCESS for s in _WITH_EXECUTOR},
    **{(s, Move.FAIL): _S.FAILED for s in (*_WITH_EXECUTOR, *_WAITING)},
    **{(s, Move.SKIP): _S.SKIPPED for s in (*_WITH_EXECUTOR, *_WAITING)},
    **{(s, Move.FAIL_UPSTREAM): _S.UPSTREAM_FAILED for s in _WAITING},
    **{(s, Move.RETRY): _S.UP_FOR_RETRY for s in _WITH_EXECUTOR},
    **{(s, Move.LOSE): _S.SCHEDULED for s in _WITH_EXECUTOR},
    **{(s, Move.REMOVE): _S.REMOVED for s in (*_WAITING, *_WITH_EXECUTOR)},
}
