"""store.reader for an event loop: every call runs in a small pool of threads. What is missing is named as a resource.

Called by the services and the command desk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from skyray.api.errors import ResourceNotFoundError
from skyray.core.events import CommandResult
from skyray.core.model import Json, Pool, Run, TaskInstance
from skyray.errors import NotFoundError
from skyray.store.reader import Reader
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

THREADS = 8  # as many questions at once as the reader should have connections
_T = TypeVar("_T")


class Reads:
    """What the API reads and writes in Postgres. Lists are (items, next page's token)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api-reads")

    def close(self) -> None:
        """Take no more questions. Those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._reader.close()

    async def _do(self, call: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))

    async def _find(self, kind: str, names: Sequence[str], call: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        try:
            return await self._do(call, *args, **kwargs)
        except NotFoundError as error:
            raise ResourceNotFoundError(kind, "/".join(names), error.message, hint=error.hint) from None

    # ------------------------------------------------------------------------------------------------------- DAGs
    async def dags(self, include_retired: bool, size: int, token: str) -> tuple[list[DagView], str]:
        """By dag_id."""
        return await self._do(self._reader.list_dags, include_retired=include_retired, page_size=size, page_token=token)

    async def dag(self, dag_id: str) -> DagView:
        """One, with its tasks."""
        return await self._find("Dag", [dag_id], self._reader.get_dag, dag_id)

    async def dag_versions(self, dag_id: str, size: int, token: str) -> tuple[list[DagVersionView], str]:
        """Newest first."""
        reader = self._reader
        return await self._find("Dag", [dag_id], reader.dag_versions, dag_id, page_size=size, page_token=token)

    async def import_errors(self, size: int, token: str) -> tuple[list[ImportErrorView], str]:
        """Why files and DAGs are not live."""
        return await self._do(self._reader.import_errors, page_size=size, page_token=token)

    # ------------------------------------------------------------------------------------------------------- runs
    async def runs(self, dag_id: str | None, states: Sequence[str], size: int, token: str) -> tuple[list[Run], str]:
        """Newest first."""
        reader = self._reader
        return await self._find(
            "Dag", [dag_id or ""], reader.list_runs, dag_id, states=states, page_size=size, page_token=token
        )

    async def run(self, dag_id: str, run_id: str) -> Run:
        """One."""
        return await self._find("DagRun", [dag_id, run_id], self._reader.get_run, dag_id, run_id)

    async def last_scheduled_run(self, dag_id: str) -> Run | None:
        """The newest run that the schedule made."""
        return await self._do(self._reader.last_scheduled_run, dag_id)

    async def task_instances(
        self, dag_id: str, run_id: str, states: Sequence[str], size: int, token: str
    ) -> tuple[list[TaskInstance], str]:
        """Those of a run."""
        call = self._reader.list_task_instances
        names = [dag_id, run_id]
        return await self._find("DagRun", names, call, dag_id, run_id, states=states, page_size=size, page_token=token)

    async def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskInstanceView:
        """One, with its attempts."""
        names = [dag_id, run_id, task_id, *([str(map_index)] if map_index >= 0 else [])]
        call = self._reader.get_task_instance
        return await self._find("TaskInstance", names, call, dag_id, run_id, task_id, map_index)

    # ------------------------------------------------------------------------------------------------------ pools
    async def pools(self) -> list[PoolView]:
        """All."""
        return await self._do(self._reader.pools)

    async def pool(self, name: str) -> PoolView:
        """One."""
        return await self._find("Pool", [name], self._reader.get_pool, name)

    async def set_pool(self, pool: Pool) -> None:
        """Make it, or change it to this."""
        await self._do(self._reader.set_pool, pool)

    async def delete_pool(self, name: str) -> None:
        """Delete it."""
        await self._find("Pool", [name], self._reader.delete_pool, name)

    # -------------------------------------------------------------------------------------------------- the whole
    async def leaders(self) -> list[LeaderView]:
        """Who leads."""
        return await self._do(self._reader.leaders)

    async def unfinished(self) -> Unfinished:
        """Counts of what is going on."""
        return await self._do(self._reader.unfinished)

    # --------------------------------------------------------------------------------------------------- commands
    async def submit_command(
        self, kind: str, dag_id: str, payload: dict[str, Json], request_id: str | None
    ) -> Submitted:
        """Put a command into the inbox."""
        return await self._do(self._reader.submit_command, kind, dag_id, payload, request_id)

    async def command_result(self, command_id: int) -> CommandResult | None:
        """The leader's answer, if it has given it."""
        return await self._do(self._reader.command_result, command_id)
