"""Records of core, store and actors as the API's messages. The only file that knows both.

Called by the services. Nothing here decides or reads anything.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

from google.protobuf.timestamp_pb2 import Timestamp

from skyray.admin.v1 import cluster_pb2, dags_pb2, pools_pb2, runs_pb2, tasks_pb2
from skyray.api.control_plane import ActorInfo, NodeInfo
from skyray.core.model import AttemptRecord, DagSpec, Run, TaskInstance, TaskSpec
from skyray.core.parsed import ParseError
from skyray.core.states import TaskState
from skyray.core.timetables import RunInfo, build
from skyray.store.views import DagVersionView, DagView, ImportErrorView, LeaderView, PoolView


def _stamp(moment: datetime | float | None) -> Timestamp | None:
    """A timestamp, to the microsecond; None (which leaves a field unset) for None."""
    if moment is None:
        return None
    if isinstance(moment, float):
        moment = datetime.fromtimestamp(moment, timezone.utc)
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def dag(view: DagView) -> dags_pb2.Dag:
    """A DAG as lists show it."""
    record, spec = view.dag, view.spec
    return dags_pb2.Dag(
        dag_id=record.dag_id,
        dag_display_name=spec.dag_display_name,
        description=spec.description,
        is_paused=record.is_paused,
        is_retired=record.is_retired,
        dag_version=record.version,
        schedule=schedule_of(spec),
        timezone=spec.timezone,
        start_date=_stamp(spec.start_date),
        end_date=_stamp(spec.end_date),
        catchup=spec.catchup,
        max_active_runs=spec.max_active_runs,
        max_active_tasks=spec.max_active_tasks,
        tags=spec.tags,
        owners=spec.owners,
        bundle_name=record.bundle_name,
        bundle_digest=view.bundle_digest,
        path=view.relative_path,
        line=spec.line,
        partition=record.partition,
        next_run_after=_stamp(record.next_run_after),
        next_logical_date=_stamp(record.next_logical_date),
    )


def dag_with_tasks(view: DagView) -> dags_pb2.Dag:
    """A DAG with all that is shown of one."""
    message = dag(view)
    message.params = json.dumps(dict(view.spec.params))
    if view.spec.doc_md is not None:
        message.doc_md = view.spec.doc_md
    message.tasks.extend(map(task, view.spec.tasks))
    return message


def dag_version(view: DagVersionView) -> dags_pb2.DagVersion:
    """A version of a DAG."""
    return dags_pb2.DagVersion(
        dag_id=view.dag_id,
        dag_version=view.version,
        bundle_name=view.bundle_name,
        bundle_digest=view.bundle_digest,
        created_at=_stamp(view.created_at),
    )


def run(record: Run) -> runs_pb2.DagRun:
    """A run."""
    return runs_pb2.DagRun(
        dag_id=record.dag_id,
        run_id=record.run_id,
        run_type=record.run_type.value,
        state=record.state.value,
        logical_date=_stamp(record.logical_date),
        queued_at=_stamp(record.queued_at),
        start_date=_stamp(record.start_date),
        end_date=_stamp(record.end_date),
        dag_version=record.version,
        conf=json.dumps(record.conf),
        note=record.note,
        run_after=_stamp(record.run_after),
        data_interval_start=_stamp(record.data_interval_start),
        data_interval_end=_stamp(record.data_interval_end),
        triggered_by=record.triggered_by,
    )


def task_instance(record: TaskInstance) -> tasks_pb2.TaskInstance:
    """A task instance, without attempts."""
    return tasks_pb2.TaskInstance(
        dag_id=record.dag_id,
        run_id=record.run_id,
        task_id=record.task_id,
        map_index=record.map_index,
        state=None if record.state is TaskState.NONE else record.state.value,
        try_number=record.try_number,
        max_tries=record.max_tries,
        start_date=_stamp(record.start_date),
        end_date=_stamp(record.end_date),
        queued_at=_stamp(record.queued_at),
        pool=record.pool,
        pool_slots=record.pool_slots,
        priority_weight=record.priority_weight,
        node_id=record.node_id,
        pid=record.pid,
        note=record.note,
        error=record.error,
        infrastructure_failures=record.infrastructure_failures,
        not_before=_stamp(record.not_before),
        scheduled_at=_stamp(record.scheduled_at),
    )


def attempt(record: AttemptRecord) -> tasks_pb2.Attempt:
    """An ended attempt."""
    return tasks_pb2.Attempt(
        try_number=record.try_number,
        state="lost" if record.state is TaskState.SCHEDULED else record.state.value,
        queued_at=_stamp(record.queued_at),
        start_date=_stamp(record.start_date),
        end_date=_stamp(record.end_date),
        node_id=record.node_id,
        pid=record.pid,
        error=record.error,
    )


def task(spec: TaskSpec) -> dags_pb2.Task:
    """A task of a DAG version."""
    return dags_pb2.Task(
        task_id=spec.task_id,
        operator=spec.operator,
        upstream_task_ids=spec.upstream,
        trigger_rule=spec.trigger_rule,
        retries=spec.retries,
        pool=spec.pool,
        pool_slots=spec.pool_slots,
        priority_weight=spec.priority_weight,
        task_group=spec.task_group,
        resources={} if spec.is_empty else spec.resources.demand(),
    )


def schedule_of(spec: DagSpec) -> str:
    """The schedule in words; empty where there is none."""
    return "" if spec.timetable.kind == "null" else build(spec.timetable).description


def upcoming_run(dag_id: str, info: RunInfo) -> dags_pb2.UpcomingRun:
    """A run that the schedule will make."""
    return dags_pb2.UpcomingRun(
        dag_id=dag_id,
        logical_date=_stamp(info.logical_date),
        run_after=_stamp(info.run_after),
        data_interval_start=_stamp(info.data_interval_start),
        data_interval_end=_stamp(info.data_interval_end),
    )


def parse_error(bundle_name: str, error: ParseError) -> dags_pb2.ImportError:
    """An error of a bundle that was just submitted."""
    return dags_pb2.ImportError(
        path=error.path,
        dag_id=error.dag_id,
        line=error.line,
        message=error.message,
        traceback=error.traceback or None,
        bundle_name=bundle_name,
    )


def import_error(view: ImportErrorView) -> dags_pb2.ImportError:
    """An error that is stored."""
    message = parse_error(view.bundle_name, view.error)
    message.created_at.FromDatetime(view.created_at)
    return message


def pool(view: PoolView) -> pools_pb2.Pool:
    """A pool and how full it is."""
    return pools_pb2.Pool(
        name=view.pool.name,
        slots=view.pool.slots,
        description=view.pool.description,
        include_deferred=view.pool.include_deferred,
        occupied_slots=view.occupied_slots,
        running_slots=view.running_slots,
        queued_slots=view.queued_slots,
    )


def leader(view: LeaderView) -> cluster_pb2.Leader:
    """Who leads a partition."""
    return cluster_pb2.Leader(
        partition=view.partition, holder=view.holder or "", epoch=view.epoch, since=_stamp(view.since)
    )


def actor(info: ActorInfo) -> cluster_pb2.Actor:
    """An actor."""
    return cluster_pb2.Actor(
        name=info.name, role=info.role, node_id=info.node_id, pid=info.pid, state=info.state, leads=info.leads
    )


def node(info: NodeInfo) -> cluster_pb2.Node:
    """A Ray node."""
    return cluster_pb2.Node(
        node_id=info.node_id,
        address=info.address,
        hostname=info.hostname,
        state=info.state,
        is_head=info.is_head,
        resources=info.resources,
        labels=info.labels,
    )
