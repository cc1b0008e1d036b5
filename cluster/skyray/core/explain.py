"""Why a task instance is not running: the first thing in its way, with numbers, read off where it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skyray.core import trigger_rules
from skyray.core.active_run import ActiveRun
from skyray.core.states import RunState, TaskState

if TYPE_CHECKING:
    from skyray.core.world import World


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` for programs, ``message`` for people."""

    code: str
    message: str


def explain(world: World, active: ActiveRun, position: int) -> Reason:
    """The reason for one task instance of an unfinished run."""
    ti = active.instances[position]
    run, dag = active.run, world.dags[active.run.dag_id]
    if ti.state.is_terminal:
        return Reason("ended", f"it ended: {ti.state.value}")
    if ti.state is TaskState.RUNNING:
        return Reason("running", f"it runs on node {ti.node_id}")
    if ti.state is TaskState.QUEUED:
        return Reason("queued", f"it is with {ti.executor}, waiting for Ray to place it")
    if run.state is RunState.QUEUED:
        if dag.record.is_paused:
            return Reason("dag_paused", f"DAG {run.dag_id} is paused")
        if dag.record.is_retired:
            return Reason("dag_retired", f"no file defines DAG {run.dag_id} any more")
        if run.run_after > world.now:
            return Reason("run_after", f"its run starts in {run.run_after - world.now:.0f} s")
        return Reason("max_active_runs", f"max_active_runs {dag.max_active_runs}: {dag.count_running()} running")
    if ti.not_before is not None and ti.not_before > world.now:
        what = "retry" if ti.state is TaskState.UP_FOR_RETRY else "next attempt"
        return Reason("retry_delay", f"{what} in {ti.not_before - world.now:.0f} s")
    if ti.state is TaskState.NONE:
        rule = active.structure.tasks[position].trigger_rule
        return Reason("trigger_rule", trigger_rules.explain(rule, active.counts[position]))
    return _explain_place(world, active, position)


def _explain_place(world: World, active: ActiveRun, position: int) -> Reason:
    ti, spec = active.instances[position], active.structure.spec
    task = active.structure.tasks[position]
    entry = world.admission.place_of(ti.ti_id)
    books = world.admission.books(ti.pool)
    match entry.barrier[0] if entry is not None and entry.barrier is not None else None:
        case "paused":
            return Reason("dag_paused", f"DAG {ti.dag_id} is paused")
        case "run":
            return Reason("max_active_tasks", f"max_active_tasks {spec.max_active_tasks}: {active.active} active")
        case "task":
            count = world.admission.active_of_task(ti.dag_id, ti.task_id)
            return Reason(
                "max_active_tis_per_dag", f"max_active_tis_per_dag {task.max_active_tis_per_dag}: {count} active"
            )
        case "run_task":
            return Reason("max_active_tis_per_dagrun", f"max_active_tis_per_dagrun {task.max_active_tis_per_dagrun}")
        case "pool" if books.definition is None:
            return Reason("pool_unknown", f"there is no pool {ti.pool}")
        case "pool":
            return Reason("pool_too_small", f"it needs {ti.pool_slots} slots, pool {ti.pool} has {books.size:g}")
        case "cluster":
            return Reason("no_node", world.capacity.obstacle(task.resources) or "no node fits")
    if not any(state.is_up for state in world.executors.values()):
        return Reason("no_executor", "no executor answers")
    if books.free < ti.pool_slots:
        return Reason(
            "pool_full",
            f"pool {ti.pool}: {books.used} of {books.size:g} slots taken, it needs {ti.pool_slots}",
        )
    shape = active.structure.shapes[position]
    if not world.capacity.has_room(shape):
        taken = ", ".join(
            f"{name} {used:g} of {total:g}" for name, (used, total) in
            ((name, world.capacity.in_use(name)) for name, _ in shape.demand)
        )  # fmt: skip
        return Reason("cluster_full", f"the cluster is full: {taken}")
    return Reason("next", "it is about to be dispatched")
