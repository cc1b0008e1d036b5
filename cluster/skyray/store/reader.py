"""What the API reads, and the few things that it writes itself: commands to leaders, and pools.

Called by the Api actor. Threads may share a Reader: every call takes a connection from a pool and is one transaction.
Lists come in pages: (rows, token of the next page, empty after the last).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skyray.core.events import CommandResult
from skyray.core.model import DEFAULT_POOL, AttemptRecord, DagRecord, DagSpec, Json, Pool, Run, TaskInstance
from skyray.core.parsed import ParseError
from skyray.core.partitions import partition_of
from skyray.core.states import TaskState
from skyray.errors import ConflictError, InvalidInputError, NotFoundError
from skyray.store.engine import make_engine, translated
from skyray.store.paging import checked_size, cut, decode_token
from skyray.store.rows import as_json
from skyray.store.snapshot import run_of
from skyray.store.statements import statement
from skyray.store.views import (
    DagVersionView,
    DagView,
    ImportErrorView,
    LeaderView,
    PoolView,
    Submitted,
    TaskInstanceView,
    Unfinished,
)

Fields = tuple[Any, ...]
_SETTINGS = {"statement_timeout": "30s", "jit": "off"}


class Reader:
    """The store as the API sees it. Connects at first use; a connection that broke is replaced."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self._url = url
        engine = make_engine(url, application_name="skyray-api", pool_size=pool_size, settings=_SETTINGS)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Close the connections that no call is using."""
        self._engine.dispose()

    # --------------------------------------------------------------------------------------------------------- DAGs
    def list_dags(
        self,
        *,
        page_size: int = 100,
        page_token: str = "",
        include_retired: bool = False,
        is_paused: bool | None = None,
        tags: Iterable[str] = (),
        id_part: str | None = None,
    ) -> tuple[list[DagView], str]:
        """DAGs by dag_id: those that have all ``tags``, and ``id_part`` anywhere in their id (in any case)."""
        after = decode_token(page_token, str)
        rows = self._rows(
            "list_dags",
            after=after and after[0],
            limit=checked_size(page_size) + 1,
            include_retired=include_retired,
            is_paused=is_paused,
            tags=list(tags),
            id_part=id_part,
        )
        page, token = cut(rows, page_size, lambda row: [row[0]])
        return [_dag_view(row) for row in page], token

    def get_dag(self, dag_id: str) -> DagView:
        """A DAG with its live version's tasks."""
        row = self._row("get_dag", f"no DAG {dag_id!r}", dag_id=dag_id)
        view = _dag_view(row)
        return replace(view, spec=replace(view.spec, line=row[11].get("line")))

    def dag_versions(
        self, dag_id: str, *, page_size: int = 100, page_token: str = ""
    ) -> tuple[list[DagVersionView], str]:
        """A DAG's versions, newest first."""
        after = decode_token(page_token, int)
        rows = self._rows(
            "list_dag_versions", dag_id=dag_id, after=after and after[0], limit=checked_size(page_size) + 1
        )
        if not rows:
            self.get_dag(dag_id)
        page, token = cut(rows, page_size, lambda row: [row[1]])
        return [DagVersionView(*row) for row in page], token

    def import_errors(self, *, page_size: int = 100, page_token: str = "") -> tuple[list[ImportErrorView], str]:
        """Why files and DAGs are not live."""
        after = decode_token(page_token, int)
        rows = self._rows("list_import_errors", after=after and after[0], limit=checked_size(page_size) + 1)
        page, token = cut(rows, page_size, lambda row: [row[0]])
        return [ImportErrorView(row[1], ParseError(*row[2:7]), row[7]) for row in page], token

    # ------------------------------------------------------------------------------------- runs and task instances
    def list_runs(
        self,
        dag_id: str | None = None,
        *,
        states: Sequence[str] = (),
        page_size: int = 100,
        page_token: str = "",
    ) -> tuple[list[Run], str]:
        """Runs, newest first: of one DAG or of all, in any of ``states`` if there are any."""
        after = decode_token(page_token, float, int)
        rows = self._rows(
            "list_runs",
            dag_id=dag_id,
            states=list(states) or None,
            after_run_after=after and after[0],
            after_seq=after and after[1],
            limit=checked_size(page_size) + 1,
        )
        if not rows and dag_id is not None:
            self.get_dag(dag_id)
        page, token = cut(rows, page_size, lambda row: [row[9], row[0]])
        return [run_of(row) for row in page], token

    def get_run(self, dag_id: str, run_id: str) -> Run:
        """One run."""
        return run_of(self._row("get_run", f"no run {run_id!r} of DAG {dag_id!r}", dag_id=dag_id, run_id=run_id))

    def last_scheduled_run(self, dag_id: str) -> Run | None:
        """The newest run that the DAG's timetable made."""
        rows = self._rows("get_last_scheduled", dag_id=dag_id)
        return run_of(rows[0]) if rows else None

    def list_task_instances(
        self,
        dag_id: str,
        run_id: str,
        *,
        states: Sequence[str] = (),
        page_size: int = 100,
        page_token: str = "",
    ) -> tuple[list[TaskInstance], str]:
        """A run's task instances, in the DAG's order."""
        after = decode_token(page_token, int)
        rows = self._rows(
            "list_task_instances",
            dag_id=dag_id,
            run_id=run_id,
            states=list(states) or None,
            after=after and after[0],
            limit=checked_size(page_size) + 1,
        )
        if not rows:
            self.get_run(dag_id, run_id)
        page, token = cut(rows, page_size, lambda row: [row[0]])
        return [_task_instance(row) for row in page], token

    def get_task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstanceView:
        """One task instance, with its ended attempts."""
        mapped = "" if map_index < 0 else f"[{map_index}]"
        row = self._row(
            "get_task_instance",
            f"no task instance {task_id!r}{mapped} in run {run_id!r} of DAG {dag_id!r}",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
        )
        ti = _task_instance(row[1:])
        attempts = self._rows("list_attempts", ti_id=ti.ti_id)
        return TaskInstanceView(ti, tuple(_attempt(each) for each in attempts), row[0])

    def read_xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int | None = -1
    ) -> list[tuple[int, bytes]]:
        """The values pushed under a key as (map_index, JSON), by map index; ``None``: those of every map index."""
        rows = self._rows("read_xcom", dag_id=dag_id, run_id=run_id, task_id=task_id, key=key, map_index=map_index)
        return [(index, bytes(value)) for index, value in rows]

    # -------------------------------------------------------------------------------------------------- the whole
    def leaders(self) -> list[LeaderView]:
        """Who leads each partition."""
        return [LeaderView(*row) for row in self._rows("list_leaders")]

    def unfinished(self) -> Unfinished:
        """Counts of what is going on."""
        counts: dict[str, dict[str, int]] = {"run": {}, "task_instance": {}}
        for what, state, count in self._rows("count_unfinished"):
            counts[what][state] = count
        lag = float(self._rows("command_lag")[0][0])
        return Unfinished(counts["run"], counts["task_instance"], lag)

    # -------------------------------------------------------------------------------------------------------- pools
    def pools(self) -> list[PoolView]:
        """All pools, by name."""
        return [_pool_view(row) for row in self._rows("list_pools", name=None)]

    def get_pool(self, name: str) -> PoolView:
        """One pool."""
        return _pool_view(self._row("list_pools", f"no pool {name!r}", name=name))

    def set_pool(self, pool: Pool) -> None:
        """Make the pool, or change it to this."""
        if pool.slots < -1:
            raise InvalidInputError(f"slots is {pool.slots}; it must be 0 or more, or -1 for no limit")
        self._execute(
            "set_pool",
            name=pool.name,
            slots=pool.slots,
            description=pool.description,
            include_deferred=pool.include_deferred,
        )

    def delete_pool(self, name: str) -> None:
        """Delete a pool. What waits for it waits on. ``ConflictError`` for the default pool."""
        if name == DEFAULT_POOL:
            raise ConflictError(f"{DEFAULT_POOL} cannot be deleted", hint="set its slots instead")
        if self._execute("delete_pool", name=name) == 0:
            raise NotFoundError(f"no pool {name!r}")

    # ----------------------------------------------------------------------------------------------------- commands
    def submit_command(
        self, kind: str, dag_id: str, payload: Mapping[str, Json], request_id: str | None = None
    ) -> Submitted:
        """Put a command into its leader's inbox. It is durable then; the leader has yet to hear of it.

        Under a ``request_id`` that was used before, this is the command of then; ``ConflictError`` if it was another.
        """
        try:
            text = as_json(dict(payload))
        except ValueError as error:
            raise InvalidInputError(f"{kind}: not JSON: {error}") from None
        partition, partitions = self._rows("partition_of_dag", dag_id=dag_id)[0]
        if partition is None:
            partition = partition_of(dag_id, partitions)  # its leader says that there is no such DAG
        row = self._rows(
            "submit_command", partition=partition, dag_id=dag_id, kind=kind, payload=text, request_id=request_id
        )[0]
        if row[0] is not None:
            return Submitted(row[0], partition)
        command_id, partition, *earlier = self._rows("command_of_request", request_id=request_id)[0]
        if earlier != [kind, dag_id, dict(payload)]:
            raise ConflictError(
                f"request_id {request_id!r} was used for another request ({earlier[0]} of DAG {earlier[1]!r})",
                hint="give every request an id of its own, and only its repetitions the same",
            )
        return Submitted(command_id, partition)

    def command_result(self, command_id: int) -> CommandResult | None:
        """The leader's answer; None while it has not applied the command."""
        is_applied, result, code, message = self._row(
            "command_result", f"no command {command_id}", command_id=command_id
        )
        return CommandResult(command_id, result, code or "", message or "") if is_applied else None

    # -------------------------------------------------------------------------------------------------- statements
    def _rows(self, query: str, /, **values: Any) -> list[Fields]:
        with translated(self._url), self._engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement(query), values)]

    def _row(self, query: str, missing: str, /, **values: Any) -> Fields:
        rows = self._rows(query, **values)
        if not rows:
            raise NotFoundError(missing)
        return rows[0]

    def _execute(self, query: str, /, **values: Any) -> int:
        with translated(self._url), self._engine.connect() as connection:
            return connection.exec_driver_sql(statement(query), values).rowcount


# ---------------------------------------------------------------------------------------------------------------- rows
def _dag_view(row: Fields) -> DagView:
    return DagView(DagRecord(*row[:8]), DagSpec.from_json(row[8]), row[9], row[10])


def _pool_view(row: Fields) -> PoolView:
    return PoolView(Pool(*row[:4]), *(int(each) for each in row[4:7]))


def _task_instance(row: Fields) -> TaskInstance:
    values = list(row)
    values[6] = TaskState(values[6])
    return TaskInstance(*values)


def _attempt(row: Fields) -> AttemptRecord:
    values = list(row)
    values[3] = TaskState(values[3])
    return AttemptRecord(*values)
