"""Example records, and raw SQL, for the store's tests."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from skyray.core.model import DagSpec, Run, TaskInstance, TaskSpec
from skyray.core.parsed import Bundle, ParsedDag, ParsedFile
from skyray.core.states import RunState, RunType, TaskState
from skyray.store.engine import connect


def sql(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def a_spec(dag_id: str = "etl", *task_ids: str, **fields: Any) -> DagSpec:
    """A DAG of independent tasks."""
    tasks = tuple(TaskSpec(task_id) for task_id in task_ids or ("extract", "load"))
    return DagSpec(dag_id, **{"relative_path": f"{dag_id}.py", "tasks": tasks, **fields})


def a_file(*specs: DagSpec, path: str | None = None, source: str = "source-1") -> ParsedFile:
    """A file that defines these DAGs."""
    dags = tuple(ParsedDag(spec, source) for spec in specs)
    return ParsedFile(path or specs[0].relative_path, dags, (), 0.01)


def a_bundle(digest: str = "digest-1", name: str = "dags", content: bytes = b"zip") -> Bundle:
    """A bundle of that digest."""
    return Bundle(name, digest, content, (("etl.py", "hash"),))


def a_run(seq: int = 1, dag_id: str = "etl", run_id: str = "", **fields: Any) -> Run:
    """A queued manual run of version 1."""
    known = {
        "run_type": RunType.MANUAL,
        "state": RunState.QUEUED,
        "version": 1,
        "run_after": 1000.0,
        "queued_at": 1000.5,
    }
    return Run(seq, dag_id, run_id or f"run-{seq}", **{**known, **fields})


def a_ti(ti_id: int, run_seq: int = 1, task_id: str = "", **fields: Any) -> TaskInstance:
    """A task instance that nothing has happened to."""
    known: dict[str, Any] = {"dag_id": "etl", "run_id": f"run-{run_seq}", "state": TaskState.NONE, "max_tries": 1}
    return TaskInstance(ti_id, run_seq, task_id=task_id or f"task-{ti_id}", **{**known, **fields})
