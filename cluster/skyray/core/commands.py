"""What users and the DagProcessor ask for, applied to the World. Each command is answered exactly once.

An answer with a code changes nothing. Which payload a command has stands in events.Command.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from skyray.core import runs
from skyray.core.dags import DagState, utc
from skyray.core.events import Command, CommandResult
from skyray.core.model import Json
from skyray.core.states import RunType
from skyray.core.timetables import run_id_for, validate_run_id
from skyray.errors import ConflictError, InvalidInputError, NotFoundError, SkyrayError

if TYPE_CHECKING:
    from skyray.core.world import World


def apply(world: World, command: Command) -> CommandResult:
    """Do what is asked, or say why not."""
    action = _ACTIONS.get(command.kind)
    try:
        if action is None:
            raise InvalidInputError(f"unknown command {command.kind!r}")
        return CommandResult(command.command_id, result=action(world, command))
    except SkyrayError as error:
        return CommandResult(command.command_id, code=error.code, message=error.message)
    except (KeyError, TypeError, ValueError) as error:  # a malformed row must not end the leader
        return CommandResult(command.command_id, code="invalid", message=f"{command.kind}: {error}")


def _dag(world: World, command: Command) -> DagState:
    dag_id = command.payload["dag_id"]
    dag = world.dags.get(dag_id)
    if dag is None:
        raise NotFoundError(f"no DAG {dag_id!r}")
    return dag


def _dag_changed(world: World, command: Command) -> Json:
    if command.dag is None or command.version is None:
        return {}  # deleted or replaced since: a later command tells
    structure = world.structure_of(command.version)
    dag = world.dags.get(command.dag.dag_id)
    if dag is None:
        dag = world.dags[command.dag.dag_id] = DagState(command.dag, structure)
        if command.dag.is_paused:
            world.admission.paused_dags.add(command.dag.dag_id)
    else:
        dag.record.bundle_name = command.dag.bundle_name
        dag.record.version = command.dag.version
        dag.record.is_retired = False
        dag.change_version(structure)
        world.forget_structures(command.dag.dag_id)
    runs.start_queued(world, dag)
    runs.plan(world, dag)
    return {}


def _dag_retired(world: World, command: Command) -> Json:
    dag = world.dags.get(command.payload["dag_id"])
    if dag is not None:
        dag.record.is_retired = True
        runs.plan(world, dag)
    return {}


def _pause(world: World, command: Command) -> Json:
    dag = _dag(world, command)
    if not dag.record.is_paused:
        dag.record.is_paused = True
        world.dag_changed(dag.record)
        world.admission.paused_dags.add(dag.record.dag_id)
        runs.plan(world, dag)
    return {}


def _unpause(world: World, command: Command) -> Json:
    dag = _dag(world, command)
    if dag.record.is_paused:
        dag.record.is_paused = False
        world.dag_changed(dag.record)
        world.admission.unpause(dag.record.dag_id)
        runs.start_queued(world, dag)
        runs.plan(world, dag)
    return {}


def _moment(payload: Json, name: str) -> datetime | None:
    text = payload.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        raise InvalidInputError(f"{name} {text!r} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"{name} {text!r} has no time zone; append Z or an offset")
    return moment.astimezone(timezone.utc)


def _trigger_run(world: World, command: Command) -> Json:
    dag = _dag(world, command)
    payload = command.payload
    dag_id = dag.record.dag_id
    if dag.record.is_retired:
        raise ConflictError(f"DAG {dag_id!r} is retired: no file defines it any more")
    conf = payload.get("conf") or {}
    if not isinstance(conf, dict):
        raise InvalidInputError(f"conf must be a JSON object, not {type(conf).__name__}")
    logical_date = _moment(payload, "logical_date")
    asked = _moment(payload, "run_after")
    run_after = max(asked.timestamp(), world.now) if asked else world.now
    run_id = payload.get("run_id")
    if run_id:
        validate_run_id(run_id, manual=True)
    else:
        run_id = run_id_for(RunType.MANUAL, logical_date or utc(run_after))
        if logical_date is None:
            run_id += f"_{world.ids.next() & 0xFFFFFFFFFF:x}"
    active = world.active_runs.get((dag_id, run_id))
    if active is not None or payload.get("_exists") == "run_id":
        raise ConflictError(f"DAG {dag_id!r} has a run {run_id!r} already")
    if logical_date is not None:
        if payload.get("_exists") == "logical_date" or _date_is_taken(dag, logical_date):
            raise ConflictError(f"DAG {dag_id!r} has a run of logical date {logical_date.isoformat()} already")
        dag.taken_dates.add(logical_date)
    created = runs.create(
        world,
        dag,
        run_id=run_id,
        run_type=RunType.MANUAL,
        logical_date=logical_date,
        data_interval=dag.timetable.manual_interval(logical_date) if logical_date else None,
        run_after=run_after,
        conf=conf,
        triggered_by=payload.get("triggered_by", "cli"),
        note=payload.get("note"),
    )
    runs.start_queued(world, dag)
    runs.plan(world, dag)
    return {"run_id": run_id, "seq": created.run.seq}


def _date_is_taken(dag: DagState, moment: datetime) -> bool:
    unfinished = (*dag.queued.values(), *dag.running.values())
    return (
        moment in dag.taken_dates
        or any(each.run.logical_date == moment for each in unfinished)
        or (dag.last is not None and dag.last.logical_date == moment)
    )


def _cancel_run(world: World, command: Command) -> Json:
    dag = _dag(world, command)
    run_id = command.payload["run_id"]
    active = world.active_runs.get((dag.record.dag_id, run_id))
    if active is None:
        raise ConflictError(f"run {run_id!r} of DAG {dag.record.dag_id!r} is not queued or running")
    active.run.note = command.payload.get("note") or active.run.note
    runs.stop(world, active)
    return {"state": active.run.state.value}


def _delete_dag(world: World, command: Command) -> Json:
    dag = _dag(world, command)
    dag_id = dag.record.dag_id
    unfinished = len(dag.queued) + len(dag.running)
    if unfinished:
        raise ConflictError(f"DAG {dag_id!r} has {unfinished} unfinished run(s); cancel them or wait")
    if any(flight.ti.dag_id == dag_id for flight in world.attempts.values()):
        raise ConflictError(
            f"DAG {dag_id!r} has cancelled attempts that are still being stopped; try again in a moment"
        )
    del world.dags[dag_id]
    world.admission.paused_dags.discard(dag_id)
    world.forget_structures(dag_id)
    world.dag_deleted(dag_id)
    return {}


_ACTIONS: dict[str, Callable[[World, Command], Json]] = {
    "dag_changed": _dag_changed,
    "dag_retired": _dag_retired,
    "pause_dag": _pause,
    "unpause_dag": _unpause,
    "trigger_run": _trigger_run,
    "cancel_run": _cancel_run,
    "delete_dag": _delete_dag,
}
