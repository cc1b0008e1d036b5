"""RunService: list, get, watch and cancel runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from skyray.admin.v1 import runs_pb2, runs_pb2_grpc, tasks_pb2
from skyray.api import convert, validate
from skyray.api.commands import CommandDesk
from skyray.api.errors import FieldError
from skyray.api.reads import Reads
from skyray.core.states import RunState

RUN_STATES = tuple(state.value for state in RunState)
_WATCH_RUNS_MAX = 1000
_WATCH_SECONDS = 0.2
_WATCH_DUTY = 10  # between two looks passes at least this many times what a look took


class RunService(runs_pb2_grpc.RunServiceServicer):
    """DagRuns."""

    def __init__(self, reads: Reads, desk: CommandDesk) -> None:
        self._reads = reads
        self._desk = desk

    async def ListRuns(self, request: runs_pb2.ListRunsRequest, context: Any) -> runs_pb2.ListRunsResponse:
        """Newest first."""
        states = validate.one_of("states", request.states, RUN_STATES)
        dag_id = validate.identifier("dag_id", request.dag_id) if request.dag_id else None
        runs, token = await self._reads.runs(dag_id, states, validate.page_size(request.page_size), request.page_token)
        return runs_pb2.ListRunsResponse(runs=map(convert.run, runs), next_page_token=token)

    async def GetRun(self, request: runs_pb2.GetRunRequest, context: Any) -> runs_pb2.GetRunResponse:
        """One run."""
        return runs_pb2.GetRunResponse(run=convert.run(await self._reads.run(*_key(request))))

    async def CancelRun(self, request: runs_pb2.CancelRunRequest, context: Any) -> runs_pb2.CancelRunResponse:
        """Stop it."""
        dag_id, run_id = _key(request)
        payload = {"dag_id": dag_id, "run_id": run_id}
        if request.HasField("note"):
            payload["note"] = validate.free_text("note", request.note)
        request_id = validate.request_id(request.request_id)
        await self._reads.run(dag_id, run_id)
        await self._desk.execute("cancel_run", dag_id, payload, request_id)
        return runs_pb2.CancelRunResponse(run=convert.run(await self._reads.run(dag_id, run_id)))

    async def WatchRuns(
        self, request: runs_pb2.WatchRunsRequest, context: Any
    ) -> AsyncIterator[runs_pb2.WatchRunsResponse]:
        """Tell all as it is, then what has changed, until all runs have ended."""
        if not 0 < len(request.runs) <= _WATCH_RUNS_MAX:
            raise FieldError("runs", f"{len(request.runs)} runs to watch; 1 to {_WATCH_RUNS_MAX} are possible")
        waiting = {_key(each): None for each in request.runs}
        told: dict[Any, Any] = {}
        while waiting:
            began = time.monotonic()
            for key in list(waiting):
                # The run first: one that has ended already is followed by all that its task instances became.
                run = await self._reads.run(*key)
                if request.include_task_instances:
                    async for ti in self._task_instances(key):
                        ti_key = (key, ti.task_id, ti.map_index)
                        if told.get(ti_key) != ti:
                            told[ti_key] = ti
                            yield runs_pb2.WatchRunsResponse(task_instance=ti)
                shown = convert.run(run)
                if told.get(key) != shown:
                    told[key] = shown
                    yield runs_pb2.WatchRunsResponse(run=shown)
                if run.state.is_terminal:
                    del waiting[key]
            if waiting:
                await asyncio.sleep(max(_WATCH_SECONDS, _WATCH_DUTY * (time.monotonic() - began)))

    async def _task_instances(self, key: tuple[str, str]) -> AsyncIterator[tasks_pb2.TaskInstance]:
        token = ""
        while True:
            tis, token = await self._reads.task_instances(*key, [], validate.PAGE_SIZE_MAX, token)
            for ti in tis:
                yield convert.task_instance(ti)
            if not token:
                return


def _key(request: Any) -> tuple[str, str]:
    return validate.identifier("dag_id", request.dag_id), validate.identifier("run_id", request.run_id)
