"""From an author's ``DAG`` to the ``DagSpec`` that is stored and scheduled. Deterministic: same source, same spec.

Called by parsing/ in a child process, and by ``dags test``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from skyray.core.model import DagSpec, TaskSpec
from skyray.sdk.dag import DAG
from skyray.sdk.operator import BaseOperator
from skyray.sdk.task_group import TaskGroup
from skyray.sdk.xcom_arg import iter_xcom_args


def dag_to_spec(dag: DAG, *, relative_path: str) -> DagSpec:
    """The DAG as plain data. ``relative_path`` is its file inside its bundle.

    Raises ``DagDefinitionError`` (with path and line) for a DAG that cannot be: see ``DAG.validate``.
    """
    dag.validate()
    tasks = tuple(_task_to_spec(task) for task in dag.topological_sort())
    return DagSpec(
        dag_id=dag.dag_id,
        relative_path=relative_path,
        line=dag.lineno,
        description=dag.description,
        timetable=dag.timetable.to_spec(),
        timezone=dag.timezone,
        start_date=_utc(dag.start_date),
        end_date=_utc(dag.end_date),
        catchup=dag.catchup,
        max_active_tasks=dag.max_active_tasks,
        max_active_runs=dag.max_active_runs,
        dagrun_timeout_seconds=_seconds(dag.dagrun_timeout),
        is_paused_upon_creation=dag.is_paused_upon_creation,
        tags=tuple(sorted(dag.tags)),
        owners=tuple(sorted({task.owner for task in dag.tasks})),
        params=tuple((name, dag.params.get_param(name).dump()) for name in sorted(dag.params)),
        doc_md=dag.doc_md,
        dag_display_name=dag.dag_display_name,
        tasks=tasks,
        groups=tuple((group_id, _group_to_json(group)) for group_id, group in dag.task_group_dict.items()),
    )


def _task_to_spec(task: BaseOperator) -> TaskSpec:
    group = task.task_group
    return TaskSpec(
        task_id=task.task_id,
        operator=task.operator_name,
        upstream=tuple(sorted(task.upstream_task_ids)),
        trigger_rule=str(task.trigger_rule.value),
        retries=task.retries,
        retry_delay_seconds=task.retry_delay.total_seconds(),
        retry_backoff=task.retry_exponential_backoff,
        max_retry_delay_seconds=_seconds(task.max_retry_delay),
        execution_timeout_seconds=_seconds(task.execution_timeout),
        pool=task.pool,
        pool_slots=task.pool_slots,
        priority_weight=task.priority_weight,
        weight_rule=str(task.weight_rule.value),
        max_active_tis_per_dag=task.max_active_tis_per_dag,
        max_active_tis_per_dagrun=task.max_active_tis_per_dagrun,
        start_date=_utc(task.start_date),
        end_date=_utc(task.end_date),
        is_empty=_runs_nothing(task),
        resources=task.resource_spec,
        xcom_inputs=tuple(xcom_inputs(task)),
        task_group=group.group_id if group is not None else None,
        owner=task.owner,
        task_display_name=task.task_display_name,
        doc_md=task.doc_md,
    )


def xcom_inputs(task: BaseOperator) -> list[tuple[str, str]]:
    """The XComs that the task's templated arguments refer to, as (task_id, key), each once, sorted."""
    found = {
        (argument.operator.task_id, argument.key)
        for name in task.template_fields
        for argument in iter_xcom_args(getattr(task, name, None))
    }
    return sorted(found)


def _runs_nothing(task: BaseOperator) -> bool:
    hooked = "pre_execute" in vars(task) or "post_execute" in vars(task)
    return task.inherits_from_empty_operator and not hooked


def _group_to_json(group: TaskGroup) -> dict[str, Any]:
    parent = group.parent_group
    display = {
        "parent": parent.group_id if parent is not None else None,
        "label": group.label,
        "children": list(group.children),
        "tooltip": group.tooltip,
        "doc_md": group.doc_md,
        "ui_color": group.ui_color if group.ui_color != "CornflowerBlue" else "",
        "ui_fgcolor": group.ui_fgcolor if group.ui_fgcolor != "#000" else "",
    }
    return {name: value for name, value in display.items() if value}


def _utc(moment: datetime | None) -> datetime | None:
    """A plain UTC datetime: a library's own class or time zone would not survive storage."""
    if moment is None:
        return None
    utc = moment.astimezone(timezone.utc)
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=timezone.utc
    )


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
