"""How runs begin and end: created by a timetable or a user, started within limits, settled when nothing is left to do.

Functions over the World; called by world.py and commands.py only.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from skyray.core.active_run import ActiveRun
from skyray.core.dags import DagState
from skyray.core.model import Json, Run, TaskInstance
from skyray.core.states import Move, RunState, RunType, TaskState
from skyray.core.timetables import run_id_for

if TYPE_CHECKING:
    from skyray.core.world import World


def create(
    world: World,
    dag: DagState,
    *,
    run_id: str,
    run_type: RunType,
    logical_date: datetime | None,
    data_interval: tuple[datetime, datetime] | None,
    run_after: float,
    conf: Json = None,
    triggered_by: str = "timetable",
    note: str | None = None,
) -> ActiveRun:
    """Make a queued run of the DAG's live version, with all of its task instances in state none."""
    structure = dag.structure
    run = Run(
        seq=world.ids.next(),
        dag_id=structure.spec.dag_id,
        run_id=run_id,
        run_type=run_type,
        state=RunState.QUEUED,
        version=structure.version,
        logical_date=logical_date,
        data_interval_start=data_interval[0] if data_interval else None,
        data_interval_end=data_interval[1] if data_interval else None,
        run_after=run_after,
        queued_at=world.now,
        conf=conf or {},
        triggered_by=triggered_by,
        note=note,
    )
    instances = [
        TaskInstance(
            ti_id=world.ids.next(),
            run_seq=run.seq,
            dag_id=run.dag_id,
            run_id=run_id,
            task_id=task.task_id,
            max_tries=task.retries,
            pool=task.pool,
            pool_slots=task.pool_slots,
            priority_weight=structure.weight[position],
        )
        for position, task in enumerate(structure.tasks)
    ]
    active = ActiveRun(run, structure, instances)
    world.add_run(active)
    return active


def plan(world: World, dag: DagState) -> None:
    """Work out when the DAG's next scheduled run is due, show it in the DAG's row, and set a timer for it."""
    info = dag.plan_next(world.now)
    record = dag.record
    shown = (info.run_after, info.logical_date) if info else (None, None)
    if (record.next_run_after, record.next_logical_date) != shown:
        record.next_run_after, record.next_logical_date = shown
        world.dag_changed(record)
    if info is not None and dag.planned_for != info.run_after:
        dag.planned_for = info.run_after
        world.set_timer(info.run_after.timestamp(), "run_due", record.dag_id)


def create_due(world: World, dag: DagState) -> None:
    """Create every scheduled run that is due, up to max_active_runs, and plan the next."""
    dag.planned_for = None
    while dag.next is not None and dag.next.run_after.timestamp() <= world.now:
        info = dag.next
        run_id = run_id_for(RunType.SCHEDULED, info.run_after)
        if (dag.record.dag_id, run_id) not in world.active_runs:
            create(
                world,
                dag,
                run_id=run_id,
                run_type=RunType.SCHEDULED,
                logical_date=info.logical_date,
                data_interval=(info.data_interval_start, info.data_interval_end),
                run_after=info.run_after.timestamp(),
            )
        dag.last = info
        dag.next = None
        start_queued(world, dag)
        plan(world, dag)


def start_queued(world: World, dag: DagState) -> None:
    """Start queued runs whose time has come, oldest first, while max_active_runs allows."""
    if dag.record.is_paused or dag.record.is_retired or not dag.queued:
        return
    room = dag.max_active_runs - dag.count_running()
    for active in sorted(dag.queued.values(), key=lambda each: (each.run.run_after, each.run.seq)):
        is_backfill = active.run.run_type is RunType.BACKFILL
        if room <= 0 and not is_backfill:
            break
        if active.run.run_after > world.now:
            world.set_timer(active.run.run_after, "start_runs", dag.record.dag_id)
            break
        room -= not is_backfill
        _start(world, dag, active)


def _start(world: World, dag: DagState, active: ActiveRun) -> None:
    run = active.run
    del dag.queued[run.seq]
    dag.running[run.seq] = active
    run.state = RunState.RUNNING
    run.start_date = world.now
    world.run_changed(active)
    world.touch(active)
    set_timeout(world, active)
    for position in range(len(active.instances)):
        world.evaluate(active, position)


def set_timeout(world: World, active: ActiveRun) -> None:
    """Have dagrun_timeout end the run; it counts from the run's start (Airflow)."""
    limit = active.structure.spec.dagrun_timeout_seconds
    if limit is not None and active.run.start_date is not None:
        world.set_timer(active.run.start_date + limit, "run_timeout", (active.run.dag_id, active.run.run_id))


def time_out(world: World, key: tuple[str, str]) -> None:
    """dagrun_timeout is over: skip what is unfinished, fail the run."""
    active = world.active_runs.get(key)
    limit = active.structure.spec.dagrun_timeout_seconds if active else None
    if active is None or limit is None or active.run.start_date is None:
        return
    if active.run.start_date + limit <= world.now:
        active.run.note = active.run.note or f"dagrun_timeout: the run was not over {limit:g} s after its start"
        stop(world, active)


def stop(world: World, active: ActiveRun) -> None:
    """End a run now: attempts are told to stop, every unfinished TI is skipped, the run has failed."""
    dag = world.dags[active.run.dag_id]
    if active.run.state is RunState.QUEUED:
        del dag.queued[active.run.seq]
        dag.running[active.run.seq] = active
        active.run.start_date = active.run.start_date or world.now
    active.run.state = RunState.FAILED  # before the moves: nothing downstream may begin
    for position, ti in enumerate(active.instances):
        if ti.state.is_active:
            world.abandon(ti, active, position, Move.SKIP)
        elif not ti.state.is_terminal:
            world.stop_waiting(ti, active, position, Move.SKIP)
    _finish(world, active, RunState.FAILED)


def settle(world: World, active: ActiveRun) -> None:
    """End a running run that has nothing left to do.

    With no TI unfinished, it failed if any leaf failed or is upstream_failed, else it succeeded (Airflow: the leaves
    decide). With TIs unfinished that nothing can ever move, it is deadlocked, and failed.
    """
    if active.run.state is not RunState.RUNNING or active.run.seq not in world.dags[active.run.dag_id].running:
        return
    if active.unfinished == 0:
        leaves = (active.instances[position].state for position in active.structure.leaves)
        failed = any(state in (TaskState.FAILED, TaskState.UPSTREAM_FAILED) for state in leaves)
        _finish(world, active, RunState.FAILED if failed else RunState.SUCCESS)
    elif active.moving == 0:
        active.run.note = active.run.note or "deadlock: no unfinished task can ever run"
        _finish(world, active, RunState.FAILED)


def _finish(world: World, active: ActiveRun, state: RunState) -> None:
    run = active.run
    dag = world.dags[run.dag_id]
    run.state = state
    run.end_date = world.now
    world.run_changed(active)
    del dag.running[run.seq]
    world.drop_run(active)
    if run.version != dag.structure.version:
        world.forget_structures(run.dag_id)
    start_queued(world, dag)
    if dag.next is None:
        plan(world, dag)
