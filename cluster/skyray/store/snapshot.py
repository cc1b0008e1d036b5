"""Rows as the core's records, and everything that a new leader loads: read in one consistent look at the database.

Called by writer.py. Not here: what people are shown (reader.py).
"""

from __future__ import annotations

from typing import Any

from psycopg2.extensions import cursor as Cursor

from skyray.core.model import DagRecord, DagSpec, DagVersion, Pool, Run, Snapshot, TaskInstance
from skyray.core.states import RunState, RunType, TaskState
from skyray.store.engine import PgConnection
from skyray.store.statements import statement

_RUN_TYPES = {each.value: each for each in RunType}
_RUN_STATES = {each.value: each for each in RunState}
_TASK_STATES = {each.value: each for each in TaskState}
_ROWS_A_FETCH = 20_000
_REPEATED = (4, 5, 13)  # executor, pool and node_id among the columns of load_task_instances after state

#: (dag_id, version) -> how often that version's content was replaced before it had a run.
Editions = dict[tuple[str, int], int]


def load(connection: PgConnection, partition: int, epoch: int) -> tuple[Snapshot, Editions]:
    """What the database holds of a partition. Fails like every write if the epoch is over.

    ``connection`` is one for this alone, not in autocommit; its transaction is ended here.
    """
    scope = {"partition": partition, "epoch": epoch}
    connection.set_session(isolation_level="REPEATABLE READ")
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("assert_leader"), scope)
        snapshot = Snapshot(pools=load_pools(cursor))
        cursor.execute(statement("load_dags"), scope)
        snapshot.dags = [DagRecord(*row) for row in cursor]
        editions: Editions = {}
        cursor.execute(statement("load_versions"), scope)
        for dag_id, version, edition, spec, digest in cursor:
            snapshot.versions.append(DagVersion(dag_id, version, DagSpec.from_json(spec), digest))
            editions[dag_id, version] = edition
        cursor.execute(statement("load_active_runs"), scope)
        snapshot.runs = [run_of(row) for row in cursor]
        cursor.execute(statement("load_last_scheduled"), scope)
        snapshot.last_scheduled = {row[1]: run_of(row) for row in cursor}
        snapshot.task_instances = _load_task_instances(connection, scope, snapshot.runs)
    return snapshot, editions


def load_pools(cursor: Cursor) -> list[Pool]:
    """All pools, by name."""
    cursor.execute(statement("load_pools"))
    return [Pool(*row) for row in cursor]


def run_of(row: tuple[Any, ...]) -> Run:
    """A run from a row in the order of ``Run``'s fields."""
    seq, dag_id, run_id, run_type, state, *others = row
    return Run(seq, dag_id, run_id, _RUN_TYPES[run_type], _RUN_STATES[state], *others)


def _load_task_instances(connection: PgConnection, scope: dict[str, int], runs: list[Run]) -> list[TaskInstance]:
    """The active runs' task instances: through a cursor of the server, since there may be a million, and with equal
    strings shared, since most of them are equal."""
    names = {run.seq: (run.dag_id, run.run_id) for run in runs}
    share = dict[Any, Any]().setdefault
    found: list[TaskInstance] = []
    with connection.cursor("task_instances") as cursor:
        cursor.itersize = _ROWS_A_FETCH
        cursor.execute(statement("load_task_instances"), scope)
        for ti_id, run_seq, task_id, map_index, state, *others in cursor:
            for place in _REPEATED:
                others[place] = share(others[place], others[place])
            dag_id, run_id = names[run_seq]
            task_id = share(task_id, task_id)
            ti = TaskInstance(ti_id, run_seq, dag_id, run_id, task_id, map_index, _TASK_STATES[state], *others)
            found.append(ti)
    return found
