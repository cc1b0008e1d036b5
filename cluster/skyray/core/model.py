"""What a DAG, a run and a task instance are, as plain data: the vocabulary that every other package shares.

Not here: how they move (world.py), how they are stored (store/), how authors write them (sdk/). Times of things that
happened are float seconds since the epoch, UTC; moments that a timetable names (logical dates) are aware datetimes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from skyray.core.pickling import quickly_pickled
from skyray.core.states import RunState, RunType, TaskState

DEFAULT_POOL = "default_pool"
Json = Any  # what json.loads can return


# --------------------------------------------------------------------------------------------------- DAG structure
@quickly_pickled
@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """What an attempt asks of Ray, in Ray's own option names. ``None`` means Ray's default (1 CPU for a task).

    ``memory`` is in bytes. ``runtime_env`` is Ray's dictionary. The sorted-tuple forms make the spec hashable: attempts
    with an equal spec share one place in the dispatch order (a *shape*).
    """

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: tuple[tuple[str, float], ...] = ()
    label_selector: tuple[tuple[str, str], ...] = ()
    accelerator_type: str | None = None
    runtime_env_json: str | None = None

    def demand(self) -> dict[str, float]:
        """Quantities that the attempt occupies on its node, by Ray resource name (``CPU``, ``GPU``, ``memory``, …)."""
        need: dict[str, float] = {"CPU": 1.0 if self.num_cpus is None else self.num_cpus}
        if self.num_gpus:
            need["GPU"] = self.num_gpus
        if self.memory:
            need["memory"] = float(self.memory)
        need.update(self.resources)
        if self.accelerator_type:
            need[f"accelerator_type:{self.accelerator_type}"] = 0.001
        return {name: quantity for name, quantity in need.items() if quantity > 0}


@dataclass(frozen=True, slots=True)
class TimetableSpec:
    """A schedule as data. ``kind`` is one of core.timetables.KINDS; ``arguments`` are that kind's, JSON-ready.

    ===================  =======================================================================
    kind                 arguments
    ===================  =======================================================================
    null                 –
    once, continuous     –
    cron_trigger         expression (5/6 fields or preset), timezone (IANA name)
    cron_interval        expression, timezone
    delta_trigger        seconds (float), months (int), years (int) – any subset
    delta_interval       as delta_trigger
    ===================  =======================================================================
    """

    kind: str = "null"
    arguments: tuple[tuple[str, Any], ...] = ()

    def argument(self, name: str, default: Any = None) -> Any:
        """The value of one argument, or ``default``."""
        return dict(self.arguments).get(name, default)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a DAG version, as the scheduler needs it. Durations are seconds; ``None`` means "no limit".

    Every field has Airflow's meaning (``BaseOperator`` arguments). ``xcom_inputs`` are the XComs that the task's
    arguments refer to, as (task_id, key): the leader sends their values along with the attempt.
    """

    task_id: str
    operator: str = "BaseOperator"
    upstream: tuple[str, ...] = ()
    trigger_rule: str = "all_success"
    retries: int = 0
    retry_delay_seconds: float = 300.0
    retry_backoff: float = 0.0
    max_retry_delay_seconds: float | None = None
    execution_timeout_seconds: float | None = None
    pool: str = DEFAULT_POOL
    pool_slots: int = 1
    priority_weight: int = 1
    weight_rule: str = "downstream"
    max_active_tis_per_dag: int | None = None
    max_active_tis_per_dagrun: int | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    is_empty: bool = False  # EmptyOperator: succeeds without an executor
    resources: ResourceSpec = ResourceSpec()
    xcom_inputs: tuple[tuple[str, str], ...] = ()
    task_group: str | None = None
    owner: str = "airflow"
    task_display_name: str = ""
    doc_md: str | None = None


@dataclass(frozen=True, slots=True)
class DagSpec:
    """A serialized DAG: everything that scheduling it takes, and nothing that running its tasks takes.

    ``tasks`` are in topological order. ``relative_path`` is the defining file inside its bundle. ``params`` maps a name
    to ``{"value": …, "schema": {…}, "description": …}``. Two parses of the same source give an equal spec.
    """

    dag_id: str
    relative_path: str = ""
    line: int | None = None
    description: str | None = None
    timetable: TimetableSpec = TimetableSpec()
    timezone: str = "UTC"
    start_date: datetime | None = None
    end_date: datetime | None = None
    catchup: bool = False
    max_active_tasks: int = 16
    max_active_runs: int = 16
    dagrun_timeout_seconds: float | None = None
    is_paused_upon_creation: bool | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    params: tuple[tuple[str, Json], ...] = ()
    doc_md: str | None = None
    dag_display_name: str = ""
    tasks: tuple[TaskSpec, ...] = ()
    groups: tuple[tuple[str, Json], ...] = ()  # group_id -> {"parent", "tooltip", "children", …} for display

    def to_json(self) -> Json:
        """A JSON-ready dictionary; ``from_json`` is its inverse. Fields at their default are left out."""
        return _compact(self)

    def canonical(self) -> str:
        """A stable text form: equal specs, equal text. Its hash decides whether a new DagVersion is made."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, data: Json) -> DagSpec:
        """Rebuild a spec. Raises ``TypeError`` for a field that this version does not know."""
        data = dict(data)
        data["timetable"] = _timetable_from_json(data.get("timetable", {}))
        data["tasks"] = tuple(_task_from_json(item) for item in data.get("tasks", ()))
        for name in ("start_date", "end_date"):
            data[name] = _moment(data.get(name))
        for name in ("tags", "owners"):
            data[name] = tuple(data.get(name, ()))
        for name in ("params", "groups"):
            data[name] = tuple((key, value) for key, value in data.get(name, ()))
        return cls(**data)


_T = TypeVar("_T")


def _compact(value: Any) -> dict[str, Any]:
    """A dataclass as a dictionary without the fields that are at their default."""
    out: dict[str, Any] = {}
    for each in fields(value):
        item = getattr(value, each.name)
        if item == each.default:
            continue
        if isinstance(item, datetime):
            item = item.isoformat()
        elif isinstance(item, (TimetableSpec, ResourceSpec)):
            item = _compact(item)
        elif each.name == "tasks":
            item = [_compact(task) for task in item]
        elif isinstance(item, tuple):
            item = [list(pair) if isinstance(pair, tuple) else pair for pair in item]
        out[each.name] = item
    return out


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _pairs(items: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in items)


def _timetable_from_json(data: dict[str, Any]) -> TimetableSpec:
    return TimetableSpec(kind=data.get("kind", "null"), arguments=_pairs(data.get("arguments", ())))


def _task_from_json(data: dict[str, Any]) -> TaskSpec:
    data = dict(data)
    resources = dict(data.get("resources", {}))
    for name in ("resources", "label_selector"):
        if name in resources:
            resources[name] = _pairs(resources[name])
    data["resources"] = ResourceSpec(**resources)
    data["upstream"] = tuple(data.get("upstream", ()))
    data["xcom_inputs"] = _pairs(data.get("xcom_inputs", ()))
    for name in ("start_date", "end_date"):
        data[name] = _moment(data.get(name))
    return TaskSpec(**data)


# --------------------------------------------------------------------------------------------------- stored records
@dataclass(slots=True)
class DagRecord:
    """A DAG as the scheduler keeps it: which version is live, and whether it may run.

    ``next_run_after`` / ``next_logical_date`` are for display: the next moment at which the scheduler makes a run.
    """

    dag_id: str
    partition: int
    bundle_name: str
    version: int
    is_paused: bool = False
    is_retired: bool = False  # its file is gone, or no longer defines it
    next_run_after: datetime | None = None
    next_logical_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class DagVersion:
    """One immutable version of a DAG: its structure, and the bundle that its tasks are loaded from."""

    dag_id: str
    version: int
    spec: DagSpec
    bundle_digest: str


@dataclass(slots=True)
class Run:
    """A DagRun. ``seq`` identifies it for ever (run ids can be deleted and used again); ``version`` is pinned."""

    seq: int
    dag_id: str
    run_id: str
    run_type: RunType
    state: RunState
    version: int
    logical_date: datetime | None = None
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    run_after: float = 0.0
    queued_at: float | None = None
    start_date: float | None = None
    end_date: float | None = None
    conf: Json = field(default_factory=dict)
    triggered_by: str = "timetable"
    note: str | None = None


@dataclass(slots=True)
class TaskInstance:
    """A task instance (TI). ``ti_id`` identifies it for ever; ``attempt_id`` its newest attempt (0: none yet).

    ``executor`` is ``name#incarnation`` of the executor that holds the attempt. ``infrastructure_failures`` counts
    attempts of the current try that were lost; they take none of the author's retries.
    """

    ti_id: int
    run_seq: int
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    state: TaskState = TaskState.NONE
    try_number: int = 0
    max_tries: int = 0
    attempt_id: int = 0
    infrastructure_failures: int = 0
    executor: str | None = None
    pool: str = DEFAULT_POOL
    pool_slots: int = 1
    priority_weight: int = 1
    scheduled_at: float | None = None
    queued_at: float | None = None
    start_date: float | None = None
    end_date: float | None = None
    not_before: float | None = None  # earliest next attempt: a retry's delay, or a lost attempt's grace
    node_id: str | None = None
    pid: int | None = None
    error: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool: a number of slots that everything in it shares. ``slots`` −1 means without limit (Airflow)."""

    name: str
    slots: int
    description: str = ""
    include_deferred: bool = False


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One ended attempt, written exactly once, when its outcome is folded in."""

    attempt_id: int
    ti_id: int
    try_number: int
    state: TaskState  # of the attempt: success, failed, skipped; SCHEDULED means lost with infrastructure
    start_date: float | None
    end_date: float | None
    queued_at: float | None
    executor: str | None
    node_id: str | None
    pid: int | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class XComRecord:
    """A value that a task instance pushed. ``value`` is JSON text in UTF-8."""

    ti_id: int
    key: str
    value: bytes


@dataclass(slots=True)
class Snapshot:
    """Everything a new leader loads before it decides anything."""

    dags: list[DagRecord] = field(default_factory=list)
    versions: list[DagVersion] = field(default_factory=list)  # the live one of every DAG, and those of active runs
    runs: list[Run] = field(default_factory=list)  # queued and running
    task_instances: list[TaskInstance] = field(default_factory=list)  # of those runs
    last_scheduled: dict[str, Run] = field(default_factory=dict)  # per DAG: its newest run of type scheduled
    pools: list[Pool] = field(default_factory=list)
    # Per DAG: logical dates, newer than its last scheduled run's, of runs that the timetable did not make.
    taken_dates: dict[str, list[datetime]] = field(default_factory=dict)


def as_dict(record: Any) -> dict[str, Any]:
    """A record as a dictionary of its fields, for display and tests."""
    return asdict(record)
