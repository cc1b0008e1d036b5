"""The core's records as parameters of statements: one array literal for each column.

Called by writer.py. The keys are the placeholders of the statement of the same name in queries/.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from skyray.core.events import CommandResult
from skyray.core.model import AttemptRecord, DagRecord, Json, Run, TaskInstance, XComRecord
from skyray.store.arrays import moments, numbers, texts

Columns = dict[str, str]


def new_runs(runs: Sequence[Run]) -> Columns:
    """Parameters of insert_runs."""
    return changed_runs(runs) | {
        "dag_id": texts([run.dag_id for run in runs]),
        "run_id": texts([run.run_id for run in runs]),
        "run_type": texts([run.run_type.value for run in runs]),
        "version": numbers([run.version for run in runs]),
        "logical_date": moments([run.logical_date for run in runs]),
        "data_interval_start": moments([run.data_interval_start for run in runs]),
        "data_interval_end": moments([run.data_interval_end for run in runs]),
        "triggered_by": texts([run.triggered_by for run in runs]),
    }


def changed_runs(runs: Sequence[Run]) -> Columns:
    """Parameters of update_runs."""
    return {
        "seq": numbers([run.seq for run in runs]),
        "state": texts([run.state.value for run in runs]),
        "run_after": numbers([run.run_after for run in runs]),
        "queued_at": numbers([run.queued_at for run in runs]),
        "start_date": numbers([run.start_date for run in runs]),
        "end_date": numbers([run.end_date for run in runs]),
        "conf": texts([as_json(run.conf) for run in runs]),
        "note": texts([run.note for run in runs]),
    }


def new_task_instances(tis: Sequence[TaskInstance]) -> Columns:
    """Parameters of insert_task_instances."""
    return changed_task_instances(tis) | {
        "run_seq": numbers([ti.run_seq for ti in tis]),
        "task_id": texts([ti.task_id for ti in tis]),
        "map_index": numbers([ti.map_index for ti in tis]),
    }


def changed_task_instances(tis: Sequence[TaskInstance]) -> Columns:
    """Parameters of update_task_instances."""
    return {
        "ti_id": numbers([ti.ti_id for ti in tis]),
        "state": texts([ti.state.value for ti in tis]),
        "try_number": numbers([ti.try_number for ti in tis]),
        "max_tries": numbers([ti.max_tries for ti in tis]),
        "attempt_id": numbers([ti.attempt_id for ti in tis]),
        "infrastructure_failures": numbers([ti.infrastructure_failures for ti in tis]),
        "executor": texts([ti.executor for ti in tis]),
        "pool": texts([ti.pool for ti in tis]),
        "pool_slots": numbers([ti.pool_slots for ti in tis]),
        "priority_weight": numbers([ti.priority_weight for ti in tis]),
        "scheduled_at": numbers([ti.scheduled_at for ti in tis]),
        "queued_at": numbers([ti.queued_at for ti in tis]),
        "start_date": numbers([ti.start_date for ti in tis]),
        "end_date": numbers([ti.end_date for ti in tis]),
        "not_before": numbers([ti.not_before for ti in tis]),
        "node_id": texts([ti.node_id for ti in tis]),
        "pid": numbers([ti.pid for ti in tis]),
        "error": texts([ti.error for ti in tis]),
        "note": texts([ti.note for ti in tis]),
    }


def ended_attempts(attempts: Sequence[AttemptRecord]) -> Columns:
    """Parameters of insert_attempts."""
    return {
        "attempt_id": numbers([each.attempt_id for each in attempts]),
        "ti_id": numbers([each.ti_id for each in attempts]),
        "try_number": numbers([each.try_number for each in attempts]),
        "state": texts([each.state.value for each in attempts]),
        "start_date": numbers([each.start_date for each in attempts]),
        "end_date": numbers([each.end_date for each in attempts]),
        "queued_at": numbers([each.queued_at for each in attempts]),
        "executor": texts([each.executor for each in attempts]),
        "node_id": texts([each.node_id for each in attempts]),
        "pid": numbers([each.pid for each in attempts]),
        "error": texts([each.error for each in attempts]),
    }


def new_xcoms(xcoms: Sequence[XComRecord]) -> Columns:
    """Parameters of insert_xcoms. Of two values under one key the later counts: one statement cannot set both."""
    newest = {(each.ti_id, each.key): each.value for each in xcoms}
    return {
        "ti_id": numbers([ti_id for ti_id, _ in newest]),
        "key": texts([key for _, key in newest]),
        "value": "{" + ",".join([f'"{value.hex()}"' for value in newest.values()]) + "}",
    }


def changed_dags(dags: Sequence[DagRecord]) -> Columns:
    """Parameters of update_dags. In an order that everybody locks DAGs in."""
    dags = sorted(dags, key=lambda dag: dag.dag_id)
    return {
        "dag_id": texts([dag.dag_id for dag in dags]),
        "is_paused": "{" + ",".join(["t" if dag.is_paused else "f" for dag in dags]) + "}",
        "next_run_after": moments([dag.next_run_after for dag in dags]),
        "next_logical_date": moments([dag.next_logical_date for dag in dags]),
    }


def answers(results: Sequence[CommandResult]) -> Columns:
    """Parameters of answer_commands."""
    return {
        "command_id": numbers([each.command_id for each in results]),
        "result": texts([as_json(each.result) for each in results]),
        "code": texts([each.code for each in results]),
        "message": texts([each.message for each in results]),
    }


def as_json(value: Json) -> str:
    """JSON text in ASCII, so that any string in it can be stored. ``ValueError`` for NaN and infinities."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
