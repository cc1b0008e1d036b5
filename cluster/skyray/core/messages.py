"""What actors say to each other about attempts: plain, picklable, versionless within one deployment.

Leader -> executor: AttemptSpec. Executor -> leader: Report (Started | Outcome | Lost). Worker -> executor: Outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from skyray.core.model import Json, ResourceSpec
from skyray.core.pickling import quickly_pickled
from skyray.core.states import RunType


@quickly_pickled
@dataclass(frozen=True, slots=True)
class RunContext:
    """What a task may know of its run. Shared by all attempts of a batch that belong to the run."""

    dag_id: str
    run_id: str
    run_type: RunType
    dag_version: int
    bundle_digest: str
    relative_path: str
    logical_date: datetime | None
    data_interval_start: datetime | None
    data_interval_end: datetime | None
    run_after: float
    queued_at: float | None
    start_date: float | None
    conf: Json = field(default_factory=dict)
    triggered_by: str = "timetable"


@quickly_pickled
@dataclass(frozen=True, slots=True)
class AttemptSpec:
    """One attempt to run, complete: a worker needs nothing else, except large values and other runs' XComs.

    ``inputs`` holds the values of the task's ``xcom_inputs``: (task_id, key) -> JSON bytes, or None where nothing was
    pushed. A pair that is absent was too large to send: the worker asks for it (execution.services).
    """

    attempt_id: int
    ti_id: int
    run: RunContext
    task_id: str
    map_index: int
    try_number: int
    max_tries: int
    pool: str
    pool_slots: int
    priority_weight: int
    resources: ResourceSpec
    execution_timeout_seconds: float | None
    queued_at: float
    inputs: tuple[tuple[tuple[str, str], bytes | None], ...] = ()


class OutcomeKind(str, Enum):
    """How an attempt ended, as the worker that ran it says."""

    SUCCESS = "success"
    FAILED = "failed"  # user code failed; another try if the author allows one
    FAILED_FOR_GOOD = "failed_for_good"  # AirflowFailException: no further try
    SKIPPED = "skipped"


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt's end. ``skipped_task_ids``: what a branch or short-circuit skips (on success only).

    ``start_date``/``end_date`` are the worker's clock around the user's code. ``error`` is one line for people; the
    traceback is in the attempt's log. ``xcoms`` are (key, JSON bytes).
    """

    attempt_id: int
    kind: OutcomeKind
    start_date: float
    end_date: float
    node_id: str = ""
    pid: int = 0
    error: str | None = None
    xcoms: tuple[tuple[str, bytes], ...] = ()
    skipped_task_ids: tuple[str, ...] = ()


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Started:
    """A longer attempt began; sent by its worker's side thread after a moment, so short attempts never send it."""

    attempt_id: int
    start_date: float
    node_id: str
    pid: int


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt that ended without an outcome: its worker, node or executor died.

    ``may_live_seconds``: how long its process may still be alive (0: known to be dead); the next attempt waits for it.
    ``cancelled``: it ended because the leader asked for it.
    """

    attempt_id: int
    reason: str
    may_live_seconds: float = 0.0
    cancelled: bool = False


Report = Started | Outcome | Lost
